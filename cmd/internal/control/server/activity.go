package server

import (
	"context"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/control/status"
	"kinesis-destination/cmd/internal/control/web"
)

// Activity tells what processes do for flows, and which they are. Trouble is why that
// may be old; nil: it is not.
type Activity interface {
	Flow(id string) status.Told
	Runs(flow string) []status.Run
	Processes() []status.Process
	Trouble() error
}

// pageRuns is an Activity as pages show it: flows have ids of their own in every sandbox.
type pageRuns struct{ from Activity }

// Status implements web.Runs.
func (r pageRuns) Status(_ context.Context, _, flowID string) (*web.FlowStatus, error) {
	told := r.from.Flow(flowID)
	if told.State == status.None {
		return nil, nil //nolint:nilnil // the interface's word for it
	}
	return &web.FlowStatus{
		State: string(told.State), Reason: told.Reason, Detail: told.Detail, Since: told.Since, Lag: told.Lag, LagSeconds: told.LagSeconds,
	}, nil
}

// Hours implements web.Runs.
func (r pageRuns) Hours(_ context.Context, _, flowID string, from time.Time) ([]web.Hour, error) {
	var hours []web.Hour
	for _, run := range slices.Backward(r.from.Runs(flowID)) {
		if !run.Hour.Before(from) {
			hours = append(hours, web.Hour{At: run.Hour, Counts: web.Counts(run.Counts)})
		}
	}
	return hours, nil
}

// Processes implements web.Runs.
func (r pageRuns) Processes(context.Context) ([]web.Process, error) {
	var all []web.Process
	for _, p := range r.from.Processes() {
		all = append(all, web.Process{ID: p.ID, Version: p.Version, Seen: p.At, Silent: p.Silent, Flows: p.Flows})
	}
	return all, nil
}
