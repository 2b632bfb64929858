package destination

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/sink/embeddedkinesis"
)

// TestWhoStopsAProcessReadsWhatItDid: and no error, since none happened, whatever it was waiting for.
func TestWhoStopsAProcessReadsWhatItDid(t *testing.T) {
	for name, c := range map[string]struct {
		before func(b *bubble)
		said   string
	}{
		"at rest": {func(*bubble) {}, " dead-lettered\""},
		"the stream refuses": {func(b *bubble) {
			b.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
				return embeddedkinesis.Action{Code: "AccessDeniedException"}
			})
		}, " given back\""},
		"the brokers away": {func(b *bubble) { b.kafka.Close() }, " dead-lettered\""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, 3, embeddedkinesis.Options{})
				p := b.start(8080, "")
				g, o := newLeads(t, 7, 30), newOracle()
				b.feed(g, o, 100)
				b.settled(o.total, time.Minute, p)
				c.before(b)
				if name != "the brokers away" {
					b.feed(g, o, 100)
				}
				pass(time.Minute)
				p.stop(t)
				text := b.log.String()
				lines := strings.Split(strings.TrimSpace(text), "\n")
				last := lines[len(lines)-1]
				if !strings.Contains(last, "msg=\"stopped: ") || !strings.Contains(last, " delivered, ") || !strings.Contains(last, c.said) || strings.Contains(text, "context canceled") {
					t.Errorf("it ends with\n%s\nof\n%s", last, text)
				}
			})
		})
	}
}
