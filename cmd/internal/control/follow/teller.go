package follow

import (
	"kinesis-destination/cmd/internal/control/status"
	"kinesis-destination/cmd/internal/destination"
)

// Teller tells all replicas what the flows of this process do. An event is of one
// identity, and counts as it.
type Teller struct{ To status.Reporter }

// Report implements destination.Reporter.
func (t Teller) Report(f destination.Flow) {
	t.To.Report(status.Flow{
		ID: f.ID, Sandbox: f.Sandbox, State: status.State(f.State), Reason: f.Reason, Detail: f.Detail, Since: f.Since, Lag: f.Lag, LagSeconds: f.LagSeconds,
	})
}

// Count implements destination.Reporter. Where events are at rest between two looks at
// the account, it need not add up; the next one does.
func (t Teller) Count(flowID string, a destination.Account) {
	t.To.Count(flowID, status.Counts{
		Received: a.Consumed - a.Withdrawn, Activated: a.Delivered, Excluded: a.Filtered, Failed: a.DeadLettered, UnderWay: max(0, a.Unaccounted()),
		Segments: a.Segments,
	})
}
