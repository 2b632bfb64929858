package verify

import (
	"cmp"
	"context"
	"slices"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
)

// Offset is where an event stands in a source topic.
type Offset struct {
	Topic     string `json:"topic,omitempty"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Place is one thing that was found, and where: it names no identity.
type Place struct {
	What     string `json:"what"` // missing, out of order, replayed, unknown
	Offset          // of the event; an unknown record has none
	Why      string `json:"why,omitempty"`
	InStream string `json:"inStream,omitempty"` // shard and sequence number
}

// spot is an Offset, small: there is one for each record that is expected.
type spot struct {
	topic  int32 // index of topics
	offset int64
}

func (v *Verifier) spot(at Offset) spot {
	tp := consumer.Range{Topic: at.Topic, Partition: at.Partition}
	i := slices.Index(v.topics, tp)
	if i < 0 {
		i = len(v.topics)
		v.topics = append(v.topics, tp)
	}
	return spot{int32(i), at.Offset}
}

func (v *Verifier) offset(s spot) Offset {
	return Offset{v.topics[s.topic].Topic, v.topics[s.topic].Partition, s.offset}
}

// findReplays learns the ranges of which all events were sent once more to this stream,
// of replays whose checkpoints Kafka still has.
func (v *Verifier) findReplays(ctx context.Context, history *consumer.History, c *config.Config) error {
	groups, err := history.Groups(ctx, config.ReplayGroup(c, ""))
	if err != nil {
		return err
	}
	for _, group := range groups {
		checkpoints, err := history.Checkpoints(ctx, group)
		if err != nil {
			return err
		}
		for _, at := range checkpoints.All() {
			if r, err := resend.ParsePartitionRange(at); err == nil && r.All {
				v.Replay(consumer.Range{Topic: r.Topic, Partition: r.Partition, From: r.From, To: r.To})
			}
		}
	}
	return nil
}

// Replay notes a range of which all events were sent once more.
func (v *Verifier) Replay(r consumer.Range) { v.replays = append(v.replays, r) }

// disordered counts a record that stands where it should not, by itself or by a replay.
func (v *Verifier) disordered(s spot, why, inStream string) {
	at := v.offset(s)
	for _, r := range v.replays {
		if r.Topic == at.Topic && r.Partition == at.Partition && r.From <= at.Offset && at.Offset < r.To {
			v.result.Replayed++
			v.place(Place{What: "replayed", Offset: at, Why: why, InStream: inStream})
			return
		}
	}
	v.result.Reordered++
	v.place(Place{What: "out of order", Offset: at, Why: why, InStream: inStream})
}

func (v *Verifier) unknown(inStream string) {
	v.result.Unknown++
	v.place(Place{What: "unknown", InStream: inStream})
}

// place keeps a place, and no more than some times those that are asked for.
func (v *Verifier) place(p Place) {
	if v.list == 0 {
		return
	}
	v.result.Places = append(v.result.Places, p)
	if len(v.result.Places) > 16*v.list+keepPlaces {
		v.choosePlaces()
	}
}

// keepPlaces is how many places are kept before the later ones go.
const keepPlaces = 4096

// choosePlaces keeps the first places of each kind.
func (v *Verifier) choosePlaces() {
	slices.SortFunc(v.result.Places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition),
			cmp.Compare(a.Offset.Offset, b.Offset.Offset), cmp.Compare(a.InStream, b.InStream))
	})
	of := map[string]int{}
	v.result.Places = slices.DeleteFunc(v.result.Places, func(p Place) bool { of[p.What]++; return of[p.What] > v.list })
}
