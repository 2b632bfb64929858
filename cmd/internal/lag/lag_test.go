package lag

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

func TestTableStories(t *testing.T) {
	datadriven.RunTest(t, "testdata/table.txt", func(t *testing.T, d *datadriven.TestData) string {
		var samples []Sample
		for text := range strings.Lines(d.Input) {
			at, row := parseRow(t, strings.Fields(text))
			if n := len(samples); n == 0 || !samples[n-1].At.Equal(at) {
				samples = append(samples, Sample{At: at})
			}
			last := &samples[len(samples)-1]
			last.Rows = append(last.Rows, row)
		}
		var out strings.Builder
		if err := Write(&out, samples); err != nil {
			t.Fatal(err)
		}
		return out.String()
	})
}

func parseRow(t *testing.T, fields []string) (time.Time, Row) {
	t.Helper()
	at, err := time.ParseDuration(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	place := strings.Split(fields[1], "/")
	r := Row{Destination: place[0], Group: place[0], Topic: place[1], Lag: -1}
	if r.Partition, err = strconv.Atoi(place[2]); err != nil {
		t.Fatal(err)
	}
	for _, field := range fields[2:] {
		key, value, _ := strings.Cut(field, "=")
		n, _ := strconv.ParseInt(value, 10, 64) // 0 for what is no number
		switch key {
		case "committed":
			r.Committed = n
		case "end":
			r.End = n
		case "lag":
			r.Lag = n
		case "age":
			age, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			r.LagSeconds = age.Seconds()
		case "member":
			r.Member, r.groupKnown = value, true
		case "nobody":
			r.groupKnown = true
		case "held":
			r.Held = &value
		}
	}
	if r.Lag < 0 {
		r.Lag = max(0, r.End-max(0, r.Committed))
	}
	return time.Unix(0, 0).Add(at), r
}
