package lag

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Write prints the newest of the samples as tables, one for each destination
// and topic; from the oldest of them on it tells rates.
func Write(w io.Writer, samples []Sample) error {
	now := samples[len(samples)-1]
	for begin := 0; begin < len(now.Rows); {
		end := begin
		for end < len(now.Rows) && now.Rows[end].Destination == now.Rows[begin].Destination && now.Rows[end].Topic == now.Rows[begin].Topic {
			end++
		}
		if err := writeTable(w, samples, now.Rows[begin:end], begin); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
		begin = end
	}
	return nil
}

const (
	head = "%-9s %13s %13s %11s %12s %10s %10s  %s\n"
	line = "%-9s %13s %13s %11s %12s %10s %10s  %s\n"
)

func writeTable(w io.Writer, samples []Sample, rows []Row, begin int) error {
	first := rows[0]
	if _, err := fmt.Fprintf(w, "destination %s, group %s, topic %s\n"+head, first.Destination, first.Group, first.Topic,
		"PARTITION", "COMMITTED", "END", "BEHIND", "TIME BEHIND", "RATE", "ETA", "HELD"); err != nil {
		return err
	}
	total, sum, held := Row{}, speed{known: true}, tally{}
	slowest, underWay := time.Duration(0), false
	for i, r := range rows {
		s := speedOf(samples, begin+i)
		sum = sum.plus(s)
		eta := etaText(s, &r)
		if s.keepsUp(&r) {
			underWay = true
		} else {
			slowest = max(slowest, s.eta(r.Lag))
		}
		total.Lag += max(0, r.Lag)
		total.LagSeconds = max(total.LagSeconds, r.LagSeconds)
		held.add(&r)
		if _, err := fmt.Fprintf(w, line, strconv.Itoa(r.Partition), offset(r.Committed), offset(r.End),
			offset(r.Lag), age(&r), s, eta, heldText(&r)); err != nil {
			return err
		}
	}
	// All are there when the slowest is.
	eta := etaOf(sum.known, slowest)
	if sum.known && slowest == 0 && underWay {
		eta = keepingUp
	}
	_, err := fmt.Fprintf(w, line, "total", "", "", offset(total.Lag), age(&total), sum, eta, held)
	return err
}

// tally counts what is held, and of which nobody said whether it is.
type tally struct{ held, elsewhere, nobody, unknown int }

func (t *tally) add(r *Row) {
	switch {
	case r.Held == nil && r.Member != "":
		t.elsewhere++
	case r.Held == nil && r.groupKnown:
		t.nobody++
	case r.Held == nil:
		t.unknown++
	case *r.Held != "":
		t.held++
	}
}

// String is the tally as the line of totals has it.
func (t tally) String() string {
	parts := []string{fmt.Sprintf("%d held", t.held)}
	for _, part := range []struct {
		n    int
		what string
	}{{t.elsewhere, "of other members"}, {t.nobody, "read by nobody"}, {t.unknown, "unknown"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

func offset(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func heldText(r *Row) string {
	switch {
	case r.Unknown != "":
		return "unknown: " + r.Unknown
	case r.Held == nil && r.Unasked != "":
		return "member at " + r.Member + ": " + r.Unasked
	case r.Held == nil && r.Member != "":
		return "member at " + r.Member
	case r.Held == nil && r.groupKnown:
		return "read by nobody"
	case r.Held == nil:
		return "unknown"
	case *r.Held == "":
		return "no"
	}
	return *r.Held
}

// age is how old the oldest event is, as people read it.
func age(r *Row) string {
	if r.LagSeconds == 0 && r.Lag != 0 {
		return "-" // it has no time, or is no event
	}
	return duration(r.LagSeconds)
}

// duration is finer the shorter it is.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d == 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// keepingUp stands for the time at which a lag is gone that is never gone for long.
const keepingUp = "keeping up"

func etaText(s speed, r *Row) string {
	if s.keepsUp(r) {
		return keepingUp
	}
	return etaOf(s.known, s.eta(r.Lag))
}

func etaOf(known bool, d time.Duration) string {
	switch {
	case !known:
		return "-"
	case d == never:
		return "never"
	}
	return duration(d.Seconds())
}
