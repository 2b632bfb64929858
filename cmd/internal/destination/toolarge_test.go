package destination

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/sink/embeddedkinesis"
)

// A message that is too large to be kept is its own fault: it goes to the dead-letter
// topic, and what follows it in its partition is not held.
func TestAMessageThatIsTooLargeToBeKeptHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{})
		p := b.start(8080, "")
		lead := b.message(exported(t))
		large := lead
		large.Headers = make([]kafka.Header, 10_001)
		b.produce(large, lead)
		b.settled(2, time.Minute, p)
		if a := p.Account(); a.DeadLettered[rules.ReasonTooLarge] != 1 || a.Delivered != 1 {
			t.Errorf("account %+v", a)
		}
		if n := b.log.Count("held: "); n != 0 {
			t.Errorf("%d holds", n)
		}
		p.stop(t)
	})
}

// However many headers a message has, its letter is one that dead-letters reads.
func TestALetterOfAMessageWithAllTheHeadersThatAreReadIsALetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{})
		p := b.start(8080, "")
		counts := []int{9_900, 9_990, 10_000}
		for _, n := range counts {
			b.produce(kafka.Message{Key: []byte("k"), Value: []byte("no Avro"), Headers: make([]kafka.Header, n)})
		}
		b.settled(int64(len(counts)), time.Minute, p)
		p.stop(t)
		letters := b.letters()
		if len(letters) != len(counts) {
			t.Fatalf("%d letters", len(letters))
		}
		for i, m := range letters {
			if len(m.Headers) > 10_000 {
				t.Errorf("the letter of %d headers has %d", counts[i], len(m.Headers))
			}
		}
	})
}
