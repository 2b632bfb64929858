package operation

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/web"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/consumer"
)

// The bounds of samples: of how many causes one is shown, and among how many of the
// newest letters it is looked for.
const (
	mostSamples = 5
	mostNewest  = 200
)

// Flows are those of a store.
type Flows struct {
	Log   *slog.Logger
	Store documents.Store
	// Config is what a flow of a state runs by.
	Config func(v documents.Reader, sandbox, flowID string) (config.Config, error)
	// Judge says whether policies allow a flow of a state; the error is the refusal.
	Judge func(ctx context.Context, v documents.Reader, sandbox, flowID string) error
	// Now is the clock.
	Now func() time.Time
	// Share has a job take from the memory of the process, which runs flows as well; nil:
	// it runs none.
	Share func(c *config.Config)
}

func (f *Flows) config(ctx context.Context, sandbox, flowID string) (*config.Config, error) {
	view, err := f.Store.View(ctx)
	if err != nil {
		return nil, err
	}
	c, err := f.Config(view, sandbox, flowID)
	return &c, err
}

// Waiting implements web.Source.
func (f *Flows) Waiting(ctx context.Context, sandbox, flowID string) (web.Waiting, error) {
	c, err := f.config(ctx, sandbox, flowID)
	if err != nil {
		return web.Waiting{}, err
	}
	history, err := consumer.NewHistory(c.Source.Kafka, nil)
	if err != nil {
		return web.Waiting{}, err
	}
	defer history.Close()
	w := web.Waiting{Topic: strings.Join(c.Source.Kafka.TopicNames(), ", ")}
	progress, err := history.Progress(ctx, c.Source.Kafka.Group)
	if err != nil {
		return w, err
	}
	for _, p := range progress {
		if p.Unknown != nil {
			w.Events = -1
			break
		}
		w.Events += p.Lag()
		if !p.Oldest.IsZero() && (w.Oldest.IsZero() || p.Oldest.Before(w.Oldest)) {
			w.Oldest = p.Oldest
		}
	}
	w.Kept, err = history.Retention(ctx)
	return w, err
}

// Causes implements web.Letters.
func (f *Flows) Causes(ctx context.Context, sandbox, flowID string) ([]web.LetterCause, error) {
	c, err := f.config(ctx, sandbox, flowID)
	if err != nil {
		return nil, err
	}
	list, err := deadletters.ListAll(ctx, c, "", deadletters.Filter{}, mostNewest)
	if err != nil {
		return nil, err
	}
	var causes []web.LetterCause
	for i, cause := range list.Causes {
		one := web.LetterCause{Stage: cause.Stage, Reason: cause.Reason, Count: cause.Count, First: cause.First, Last: cause.Last}
		if i < mostSamples {
			one.Sample = f.sample(ctx, c, list, cause)
		}
		causes = append(causes, one)
	}
	return causes, nil
}

// sample is the newest letter of a cause, with its values masked.
func (f *Flows) sample(ctx context.Context, c *config.Config, list *deadletters.List, cause deadletters.Cause) *web.LetterSample {
	for i := len(list.Letters) - 1; i >= 0; i-- {
		l := &list.Letters[i]
		if l.Stage != cause.Stage || l.Reason != cause.Reason {
			continue
		}
		s := &web.LetterSample{Topic: l.Origin.Topic, Partition: l.Origin.Partition, Offset: l.Origin.Offset, At: l.FailedAt, Detail: l.Message}
		shown, err := deadletters.Show(ctx, c, l.Partition, l.Offset, false)
		if err != nil { // what is known of it is shown nevertheless
			f.Log.Warn("a dead letter could not be shown", "destination", c.Name, "error", err)
			return s
		}
		s.Event = shown.Event
		return s
	}
	return nil
}
