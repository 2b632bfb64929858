package transform

import (
	"testing"
	"time"
)

// TestEveryDateIsThatOfTheCalendar, from the year 0 to the year 9999.
func TestEveryDateIsThatOfTheCalendar(t *testing.T) {
	for day := int64(firstDay); day <= lastDay; day++ {
		if got, want := string(appendDate(nil, day)), time.Unix(day*secondsPerDay, 0).UTC().Format(time.DateOnly); got != want {
			t.Fatalf("day %d is %s, want %s", day, got, want)
		}
	}
}
