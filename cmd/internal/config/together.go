package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"kinesis-destination/consumer"
)

// Together tells whether destinations can run beside each other: that none takes
// another's events or letters, and that no dead letter leads back to where it came
// from. The error is Problems.
func Together(configs []Config) error {
	var problems Problems
	for i := range configs {
		for j := range i {
			problems = append(problems, conflicts(&configs[j], &configs[i])...)
		}
	}
	problems = append(problems, loops(configs)...)
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// Beside tells whether a destination can run beside others that run already. The error
// is Problems, all of this one.
func Beside(others []Config, c *Config) error {
	var problems Problems
	for i := range others {
		problems = append(problems, conflicts(&others[i], c)...)
	}
	all := append(slices.Clone(others), *c)
	if p, found := loop(all, len(all)-1); found {
		problems = append(problems, p)
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// conflicts are what the later of two destinations may not share with the earlier.
func conflicts(earlier, later *Config) (problems Problems) {
	report := func(path, message string) { problems = append(problems, later.Problem(path, message)) }
	if earlier.Name == later.Name {
		report("name", "two destinations of one process have this name")
	}
	switch a, b := earlier.Source.Kafka.Group, later.Source.Kafka.Group; {
	case a == b:
		report("source.kafka.group", "two destinations share this group: each would get only a part of the events")
	case ownGroup(a, b) || ownGroup(b, a):
		report("source.kafka.group", fmt.Sprintf("groups that begin with the name of destination %s's group, %s, are where it keeps its progress", earlier.Name, a))
	}
	if a, b := &earlier.Server, &later.Server; a.Listen == b.Listen && (a.TLS != b.TLS || !sameSecret(reflect.ValueOf(a.Token), reflect.ValueOf(b.Token))) {
		report("server", fmt.Sprintf("has the address of destination %s, and another tls or token: both are of the address", earlier.Name))
	}
	if sameCluster(earlier, later) && earlier.DeadLetter.Topic == later.DeadLetter.Topic {
		report("deadLetter.topic", fmt.Sprintf("is that of destination %s, too: give each its own, or a drop of one erases letters of the other", earlier.Name))
	}
	if takesLetters(later, earlier) {
		report("source.kafka.topicPattern", fmt.Sprintf("matches %s, the dead-letter topic of destination %s: its letters would be read as events. Let the pattern not match it, or let its name end in %s, which no pattern matches that does not say so",
			earlier.DeadLetter.Topic, earlier.Name, consumer.DeadLetterSuffix))
	}
	if takesLetters(earlier, later) {
		report("deadLetter.topic", fmt.Sprintf("is matched by source.kafka.topicPattern of destination %s: its letters would be read as events. Let its name end in %s, which no pattern matches that does not say so, or choose one that this pattern does not match",
			earlier.Name, consumer.DeadLetterSuffix))
	}
	return problems
}

// takesLetters tells whether a pattern matches the dead-letter topic of another
// destination by chance: one with the usual ending is matched only where the pattern says so.
func takesLetters(reader, writer *Config) bool {
	source := &reader.Source.Kafka
	return source.TopicPattern != "" && !strings.HasSuffix(writer.DeadLetter.Topic, consumer.DeadLetterSuffix) &&
		source.Reads(writer.DeadLetter.Topic) && sameCluster(reader, writer)
}

// ownGroup tells whether a group is one in which the destination of another group
// keeps what its commands need.
func ownGroup(group, of string) bool {
	for _, kind := range []string{".dead-letters", ".backfill", ".replay", ".operations"} {
		if rest, ok := strings.CutPrefix(group, of+kind); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

// sameCluster tells whether two destinations read one cluster, as far as their
// addresses tell. Where these differ, a letter that leads back is still not written
// again: see deadAlready.
func sameCluster(a, b *Config) bool {
	return slices.ContainsFunc(a.Source.Kafka.Brokers, func(broker string) bool {
		return slices.ContainsFunc(b.Source.Kafka.Brokers, func(other string) bool { return strings.EqualFold(broker, other) })
	})
}

// loops are the ways by which a dead letter leads back to the destination that
// wrote it: over the topics of the others, each of which reads the letters of the
// one before.
func loops(configs []Config) (problems Problems) {
	for first := range configs {
		if p, found := loop(configs, first); found {
			problems = append(problems, p)
		}
	}
	return problems
}

// loop is the way of the letters of one of them back to itself.
func loop(configs []Config, first int) (Problem, bool) {
	reads := func(reader, writer int) bool { // as events, what the other writes as letters
		r, w := &configs[reader], &configs[writer]
		return reader != writer && sameCluster(r, w) && r.Source.Kafka.Reads(w.DeadLetter.Topic) && !takesLetters(r, w) // which is refused by itself
	}
	way := wayBack(configs, reads, first)
	if way == nil {
		return Problem{}, false
	}
	names := make([]string, 0, len(way)+1)
	for _, i := range append(way, first) {
		names = append(names, configs[i].Name)
	}
	last := way[len(way)-1]
	key := "topics"
	for _, of := range []struct {
		key   string
		given bool
	}{{"topic", configs[first].Source.Kafka.Topic != ""}, {"topicPattern", configs[first].Source.Kafka.TopicPattern != ""}} {
		if of.given {
			key = of.key
		}
	}
	return configs[first].Problem("source.kafka."+key, fmt.Sprintf(
		"takes in %s, the dead-letter topic of destination %s, so that dead letters go round without end (%s): leave it out, or give it a name that the pattern does not match",
		configs[last].DeadLetter.Topic, configs[last].Name, strings.Join(names, " → "))), true
}

// wayBack is the shortest way of a letter of the first destination to itself,
// beginning with it; nil: there is none.
func wayBack(configs []Config, reads func(reader, writer int) bool, first int) []int {
	from := map[int]int{}
	for queue := []int{first}; len(queue) > 0; queue = queue[1:] {
		writer := queue[0]
		for reader := range configs {
			if !reads(reader, writer) {
				continue
			}
			if reader == first {
				way := []int{writer}
				for way[0] != first {
					way = slices.Insert(way, 0, from[way[0]])
				}
				return way
			}
			if _, known := from[reader]; !known {
				from[reader] = writer
				queue = append(queue, reader)
			}
		}
	}
	return nil
}
