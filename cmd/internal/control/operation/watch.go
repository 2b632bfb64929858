package operation

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/jobs"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/sink/deadletter"
)

// lookEvery is how often a job looks whether its flow is as it was: it exports for as long
// after a deletion by another process, or a policy that forbids it. With 20 jobs it asks
// the journal ten times a second.
const lookEvery = 2 * time.Second

// watched does the work of a job for as long as its flow is as it was when the job began.
// An *jobs.Interrupted says what has become of it.
func (f *Flows) watched(ctx context.Context, o *jobs.Order, began *config.Config, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		var version string
		hold.Every(ctx, lookEvery, func() {
			var why error
			if version, why = f.look(ctx, o, began, version); why != nil {
				cancel(why)
			}
		})
	}()
	err := work(ctx)
	why, interrupted := errors.AsType[*jobs.Interrupted](context.Cause(ctx))
	cancel(nil)
	<-watching
	if err != nil && interrupted {
		return why
	}
	return err
}

// look says why a job may not go on, if what it goes by has changed since a version. A
// journal that does not answer ends nothing.
func (f *Flows) look(ctx context.Context, o *jobs.Order, began *config.Config, version string) (string, error) {
	view, err := f.Store.View(ctx)
	if err != nil {
		return version, nil //nolint:nilerr // there is the next look
	}
	groups := append([]string{documents.Group(documents.Connections + "/"), documents.AllGovernance}, documents.AllFlows...)
	var versions []string
	for _, group := range groups {
		versions = append(versions, view.Version(group))
	}
	now := strings.Join(versions, " ")
	if now == version {
		return version, nil
	}
	c, err := f.Config(view, o.Sandbox, o.Flow)
	if refusal, ok := errors.AsType[*api.Error](err); ok && refusal.Status == http.StatusNotFound {
		return now, &jobs.Interrupted{Why: jobs.Deleted}
	}
	if o.Op == jobs.Drop { // which sends nothing
		return now, nil
	}
	if err == nil && Changed(*began, c) {
		return now, &jobs.Interrupted{Why: "the flow, its connections or its account have changed meanwhile; what was sent stays sent. Begin it again: with the same id it goes on, unless the stream is another"}
	}
	if err == nil && f.Judge != nil {
		err = f.Judge(ctx, view, o.Sandbox, o.Flow)
	}
	switch {
	case ctx.Err() != nil:
		return version, nil
	case err != nil:
		return now, &jobs.Interrupted{Why: "the flow is refused now: " + said(err)}
	}
	return now, nil
}

// Changed tells whether a flow sends something else, or elsewhere, or as somebody else.
// Its policies are not compared: they are judged; and a description is nobody's affair.
// A source is the same for as long as a process runs, whatever its users are by now.
func Changed(before, after config.Config) bool {
	for _, key := range config.Differences(&before, &after) {
		switch key {
		case "description", "governance.enabledPolicies", "server.token", "source.kafka.sasl.username", "source.kafka.sasl.password":
		default:
			return true
		}
	}
	return false
}

// said is an error in the words that somebody is told.
func said(err error) string {
	if refusal, ok := errors.AsType[*api.Error](err); ok {
		return refusal.Detail
	}
	return deadletter.Brief(err.Error())
}

// shown is an error whose text somebody is told: without names of functions.
type shown struct{ error }

// Error is the text.
func (s shown) Error() string { return said(s.error) }

// Unwrap is the error.
func (s shown) Unwrap() error { return s.error }
