package status

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestForeignRecordsArePassedOver(t *testing.T) {
	table := newTable()
	for key, value := range map[string]string{
		"": "{}", "else/x": "{}", "process/a": "no", "process/b": `{"v":1,"process":"c"}`, "process/d": `{"v":2,"process":"d"}`,
		"run/f": "{}", "run/f/2026-11-28T09Z/p": `{"v":1,"flow":"g"}`, "run/f/yesterday/p": `{}`, strings.Repeat("x", 2000): "{}",
		"process/e": `"` + strings.Repeat("x", maxRecord) + `"`,
	} {
		table.apply(key, []byte(value), at(9, 0), true)
	}
	if table.odd != 10 || len(table.processes) != 0 || table.bytes != 0 {
		t.Errorf("%d passed over: %+v", table.odd, table)
	}
}

func TestHoursInMemoryAreBounded(t *testing.T) {
	table := newTable()
	table.maxBytes = 100_000
	var first time.Time
	for i := range 2000 {
		hour := at(0, 0).Add(time.Duration(i) * time.Hour)
		r := recordOf(runKey("f", hour, "p"), runRecord{V: format, Store: "s1", Flow: "f", Process: "p", Hour: hour, Activated: 1})
		table.apply(string(r.Key), r.Value, hour, true)
		if table.bytes > table.maxBytes {
			t.Fatalf("%d bytes", table.bytes)
		}
		first = hour
	}
	runs := table.hours("s1", "f", first)
	if len(runs) < 200 || !runs[0].Hour.Equal(first) {
		t.Errorf("%d hours are left, the newest %v", len(runs), runs[0].Hour)
	}
}

// TestLagThatNobodyKnowsIsNotTakenForZero: a flow that is stopped has nobody who looks.
func TestLagThatNobodyKnowsIsNotTakenForZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		a, b := board(t, l, "a"), board(t, l, "b")
		after(2*time.Second, func() {
			a.Report(Flow{ID: "f", State: Stopped, Lag: -1})
			b.Report(Flow{ID: "f", State: Stopped, Lag: -1})
			a.Report(Flow{ID: "g", State: Refused, Lag: -1})
			b.Report(Flow{ID: "g", State: Running, Lag: 7})
		})
		if got, known, none := b.Flow("f").Lag, b.Flow("g").Lag, b.Flow("h").Lag; got != -1 || known != 7 || none != -1 {
			t.Errorf("%d where nobody knows, %d where one does, %d where nobody tells", got, known, none)
		}
		closed(t, a)
		closed(t, b)
	})
}
