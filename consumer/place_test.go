package consumer

import (
	"strings"
	"testing"
	"time"
)

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 30, 0, 0, time.FixedZone("", -5*3600)) // 05:30 UTC
	for text, want := range map[string]string{
		"2026-01-31T12:00:00Z":      "2026-01-31T12:00:00Z",
		"2026-01-31T12:00:00+02:00": "2026-01-31T10:00:00Z",
		"2026-01-31":                "2026-01-31T00:00:00Z",
		"now":                       "2026-03-01T05:30:00Z",
		"today":                     "2026-03-01T00:00:00Z",
		"yesterday":                 "2026-02-28T00:00:00Z",
		"90s":                       "2026-03-01T05:28:30Z",
		"1h":                        "2026-03-01T04:30:00Z",
		"-30m":                      "2026-03-01T05:00:00Z",
		"1h30m":                     "2026-03-01T04:00:00Z",
		"2d":                        "2026-02-27T05:30:00Z",
		"-2d":                       "2026-02-27T05:30:00Z",
	} {
		got, err := ParseTime(text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "tomorrow", "--1h", "1", "d", "-", "1x", "-1d1h", "99999999999d", "2026-13-01", "2026-01-31 12:00"} {
		if got, err := ParseTime(text, now); err == nil || !strings.Contains(err.Error(), "yesterday") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// A resend that goes on under its id tomorrow means the same range.
func TestATimeAgoIsKeptAsTheTimeThatItIs(t *testing.T) {
	p, err := ParsePlace("1h", time.Date(2026, 3, 1, 5, 30, 0, 0, time.UTC))
	if err != nil || p.String() != "2026-03-01T04:30:00Z" {
		t.Errorf("%v, %v", p, err)
	}
}

// The same words know a resend again; a time that is the same tomorrow is as it was kept.
func TestTheWordsOfATimeThatMovesAreKept(t *testing.T) {
	now := time.Date(2026, 3, 1, 5, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"1h": "1h", "-30m": "-30m", "yesterday": "yesterday", "now": "now", "7d": "7d",
		"2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T12:00:00+01:00": "2026-01-31T12:00:00+01:00", "earliest": "earliest", "0=1": "0=1",
	} {
		p, err := ParsePlace(text, now)
		if err != nil || p.Asked() != want {
			t.Errorf("%s: %s, %v", text, p.Asked(), err)
		}
	}
}

func TestARangeThatIsUpsideDownIsSeen(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"earliest", "latest", false},
		{"latest", "earliest", true},
		{"latest", "latest", false},
		{"earliest", "earliest", false},
		{"latest", "1h", true},
		{"latest", "0=5", true},
		{"1h", "earliest", true},
		{"0=5", "earliest", true},
		{"1h", "latest", false},
		{"1h", "2h", true},
		{"2h", "1h", false},
		{"1h", "1h", false},
		{"0=5,1=5", "0=5,1=4", true},
		{"0=5,1=5", "0=5,1=6", false},
		{"0=5", "1=4", false},
		{"1h", "0=5", false}, // only Kafka knows
	} {
		var places [2]Place
		for i, text := range []string{c.from, c.to} {
			p, err := ParsePlace(text, time.Unix(1e9, 0))
			if err != nil {
				t.Fatal(err)
			}
			places[i] = p
		}
		if got := places[1].Before(places[0]); got != c.want {
			t.Errorf("from %s to %s: %v", c.from, c.to, got)
		}
	}
}
