package resend

import "kinesis-destination/sink"

// Account is what became of the events of a range.
type Account struct {
	Consumed     int64            `json:"consumed"`
	Delivered    int64            `json:"delivered"`
	Filtered     map[string]int64 `json:"filtered"`
	DeadLettered map[string]int64 `json:"deadLettered"`
}

// NewAccount is that of nothing yet.
func NewAccount() Account {
	return Account{Filtered: map[string]int64{}, DeadLettered: map[string]int64{}}
}

// Unaccounted is how many events were read and are not at rest.
func (a *Account) Unaccounted() int64 {
	rest := a.Consumed - a.Delivered
	for _, counts := range []map[string]int64{a.Filtered, a.DeadLettered} {
		for _, n := range counts {
			rest -= n
		}
	}
	return rest
}

// possible tells whether it may be an account of at most so many events: each is
// consumed, and comes to one rest.
func (a *Account) possible(events int64) bool {
	if a.Consumed < 0 || a.Consumed > events || a.Delivered < 0 || a.Delivered > a.Consumed {
		return false
	}
	rest := a.Consumed - a.Delivered
	for _, counts := range []map[string]int64{a.Filtered, a.DeadLettered} {
		for _, n := range counts {
			if n < 0 || n > rest { // so that no sum overflows
				return false
			}
			rest -= n
		}
	}
	return true
}

// Add counts another account's events too.
func (a *Account) Add(b Account) {
	a.Consumed += b.Consumed
	a.Delivered += b.Delivered
	for reason, n := range b.Filtered {
		a.Filtered[reason] += n
	}
	for reason, n := range b.DeadLettered {
		a.DeadLettered[reason] += n
	}
}

// CountOutcome counts what became of a record that the sink took.
func CountOutcome(outcome sink.Outcome, reason string, delivered *int64, filtered, deadLettered map[string]int64) {
	switch outcome {
	case sink.Delivered:
		*delivered++
	case sink.AtRest:
		filtered[reason]++
	default:
		deadLettered[reason]++
	}
}
