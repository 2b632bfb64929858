package sink

import (
	"errors"
	"time"

	"kinesis-destination/schemas/backoff"
	"kinesis-destination/sink/deadletter"
)

// LetterOptions are those of the sink that its dead-letter writer needs, too.
func (o *Options) LetterOptions() deadletter.Options {
	return deadletter.Options{
		Destination: o.Destination, Group: o.Group,
		Topic: o.DeadLetter.Topic, Brokers: o.Brokers, Transport: o.KafkaTransport, SourceTopics: o.SourceTopics, Largest: o.DeadLetter.Largest,
	}
}

// letterOptions are those of the sink's own writer.
func (s *Sink) letterOptions(backoff func(time.Time) *backoff.Backoff) deadletter.Options {
	opts := s.opts.LetterOptions()
	opts.Parking = s.parking
	opts.Backoff = func(began time.Time) func(time.Time) time.Duration {
		b := backoff(began)
		return func(now time.Time) time.Duration { delay, _ := b.Next(now); return delay }
	}
	opts.Hold = func(err error) {
		switch {
		case err == nil:
			s.holds.Set(fromDeadLetter, "", nil)
		case errors.Is(err, deadletter.ErrParkingFull):
			s.holds.Set(fromDeadLetter, HoldParkingFull, err)
		default:
			s.holds.Set(fromDeadLetter, HoldDeadLetterTopic, err)
		}
	}
	return opts
}

// deadLetter gives a record to the dead-letter writer, unless it stands on a topic
// of dead letters already. done hears what became of it, once: DeadLettered, AtRest,
// or none of the outcomes when it is given back.
func (s *Sink) deadLetter(r *Record, f deadletter.Failure, done func(Outcome)) {
	from := r.origin()
	if from.AtRest {
		done(AtRest)
		return
	}
	s.letters.Add(&deadletter.Letter{
		Origin: from, PartitionKey: r.PartitionKey, Revoked: r.Revoked, Failure: f, At: time.Now(),
		Done: func(written bool) {
			if written {
				done(DeadLettered)
			} else {
				done(0)
			}
		},
	})
}

// parkedFailure is why a record of a parked identity goes to the dead-letter topic.
func parkedFailure() *deadletter.Failure {
	return &deadletter.Failure{Stage: StageSink, Reason: ReasonParked, Untried: true, Message: "an earlier event of this identity is on the dead-letter topic (deadLetter.park)"}
}
