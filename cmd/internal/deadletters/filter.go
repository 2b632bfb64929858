package deadletters

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas/suggest"
)

// Filter chooses dead letters; its zero value chooses all.
type Filter struct {
	Stages, Reasons []string
	Since, Until    time.Time // when they failed: from, included, to, not
	Identity        string    // partition key, profile id or Kafka key
	Partition       int       // of the dead-letter topic; with Offset
	Offset          int64     // the one letter there; see One
	One             bool
}

// FilterReasons are the reasons that a filter may name.
func FilterReasons() []string {
	return append(slices.Clone(rules.LetterReasons), letter.ReasonForeign, letter.ReasonOtherDestination)
}

// OfOthers says that a reason is of what others than the destination wrote to the topic.
func OfOthers(reason string) bool {
	return reason == letter.ReasonForeign || reason == letter.ReasonOtherDestination
}

// Check tells whether the filter can choose anything: a letter has a stage and a
// reason of ours, or it is listed as foreign.
func (f *Filter) Check() error {
	for _, words := range []struct {
		flag          string
		given, closed []string
	}{
		{"--stage", f.Stages, rules.LetterStages},
		{"--reason", f.Reasons, FilterReasons()},
	} {
		for _, word := range words.given {
			if slices.Contains(words.closed, word) {
				continue
			}
			meant := ""
			if near := suggest.Close(word, words.closed); near != "" {
				meant = "; did you mean " + near + "?"
			}
			return fmt.Errorf("%s %q: no letter has it%s (%s; a message with another word is no letter of ours: --reason %s)",
				words.flag, word, meant, strings.Join(words.closed, ", "), letter.ReasonForeign)
		}
	}
	return nil
}

// Empty tells whether it chooses all.
func (f *Filter) Empty() bool {
	return len(f.Stages)+len(f.Reasons) == 0 && f.Since.IsZero() && f.Until.IsZero() && f.Identity == "" && !f.One
}

// chooses judges by the headers alone; who it is about is another question.
func (f *Filter) chooses(l *letter.Letter) bool {
	switch {
	case f.One && (l.Partition != f.Partition || l.Offset != f.Offset),
		len(f.Stages) > 0 && !slices.Contains(f.Stages, l.Stage),
		len(f.Reasons) > 0 && !slices.Contains(f.Reasons, l.Reason),
		l.FailedAt.Before(f.Since),
		!f.Until.IsZero() && !l.FailedAt.Before(f.Until):
		return false
	}
	return true
}

// choosesForeign tells whether a message that is no letter of the destination is
// meant: only where it is named, by its place or by a reason of its kind. Of it
// nothing is known that other filters could ask for.
func (f *Filter) choosesForeign(m *consumer.Message, why string) bool {
	switch {
	case len(f.Stages) > 0, !f.Since.IsZero(), !f.Until.IsZero(), f.Identity != "":
		return false
	case f.One && (m.Partition != f.Partition || m.Offset != f.Offset):
		return false
	case len(f.Reasons) > 0:
		return slices.Contains(f.Reasons, letter.ForeignReason(why))
	}
	return f.One
}
