package transform

import (
	"testing"
	"time"
)

// TestEveryDateIsThatOfTheCalendar, from the year 0 to the year 9999.
func TestEveryDateIsThatOfTheCalendar(t *testing.T) {
	for day := int64(firstDay); day <= lastDay; day++ {
		text := []byte("0000-00-00")
		putDate(text, day)
		if got, want := string(text), time.Unix(day*secondsPerDay, 0).UTC().Format(time.DateOnly); got != want {
			t.Fatalf("day %d is %s, want %s", day, got, want)
		}
	}
}
