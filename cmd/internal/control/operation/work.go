package operation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/jobs"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/consumer"
)

const (
	// maxRedrives is the default of the command redrive: a letter that failed again as
	// often is left.
	maxRedrives = 3
	// newestKept bounds of how many identities of a partition a job knows the newest event
	// at once, to about 6 MB: it shares its process with the pages, and maybe with flows.
	newestKept = 100_000
)

// replayID is part of a group's name.
var replayID = regexp.MustCompile(`^[a-zA-Z0-9._-]{0,100}$`)

// Check implements jobs.Work.
func (f *Flows) Check(ctx context.Context, sandbox, flowID string, r *jobs.Request) error {
	c, err := f.config(ctx, sandbox, flowID)
	if err != nil {
		return err
	}
	if !r.OfEvents() {
		if deadletters.OfOthers(r.Reason) {
			// A caller names the topic. What a drop erases there is no caller's to decide.
			return api.Invalid([]api.FieldError{{Field: "reason", Message: r.Reason + " is what others wrote to the topic: who runs this erases it, by dead-letters drop"}})
		}
		if err := (&deadletters.Filter{Reasons: []string{r.Reason}}).Check(); err != nil {
			return api.Invalid([]api.FieldError{{Field: "reason", Message: inAPIWords(err, r.Reason)}})
		}
	} else if err := f.checkRange(c, r); err != nil {
		return err
	} else if err := f.checkPartitions(ctx, c, r); err != nil {
		return err
	}
	if r.Op == jobs.Drop || f.Judge == nil { // a drop sends nothing
		return nil
	}
	view, err := f.Store.View(ctx)
	if err != nil {
		return err
	}
	return f.Judge(ctx, view, sandbox, flowID)
}

// partitionWait bounds the look at the partitions of the source: where Kafka is away the
// job finds out what is wrong.
const partitionWait = 3 * time.Second

// checkPartitions refuses offsets of partitions that are not there.
func (f *Flows) checkPartitions(ctx context.Context, c *config.Config, r *jobs.Request) error {
	for _, end := range []struct{ field, text string }{{"from", r.From}, {"to", r.To}} {
		if !strings.Contains(end.text, "=") {
			continue
		}
		place, err := consumer.ParsePlace(end.text, f.Now())
		if err != nil {
			return err
		}
		history, err := consumer.NewHistory(c.Source.Kafka, nil)
		if err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, partitionWait)
		_, err = history.AllWithin(limited, place, consumer.End())
		cancel()
		history.Close()
		if errors.Is(err, consumer.ErrNoPartition) {
			return api.Invalid([]api.FieldError{{Field: end.field, Message: err.Error()}})
		}
	}
	return nil
}

// inAPIWords says of a reason that no letter has what a command would say of its flag.
func inAPIWords(err error, reason string) string {
	said := strings.TrimPrefix(err.Error(), fmt.Sprintf("--reason %q: ", reason))
	return strings.ReplaceAll(said, "--reason ", "reason ")
}

// checkRange checks what a replay or a backfill is about. A time that is counted from
// now is kept as the time that it is, so that the same request goes on.
func (f *Flows) checkRange(c *config.Config, r *jobs.Request) error {
	var wrong []api.FieldError
	report := func(field, message string) {
		wrong = append(wrong, api.FieldError{Field: field, Message: message})
	}
	r.From, r.To = cmp.Or(r.From, consumer.Earliest), cmp.Or(r.To, consumer.Latest)
	from, err := consumer.ParsePlace(r.From, f.Now())
	if err != nil {
		report("from", err.Error())
	}
	to, other := consumer.ParsePlace(r.To, f.Now())
	if other != nil {
		report("to", other.Error())
	}
	if err == nil && other == nil {
		r.From, r.To = from.String(), to.String()
		if to.Before(from) {
			report("from", "comes after the end of the range, "+r.To)
		}
	}
	if !replayID.MatchString(r.ID) {
		report("id", "must be letters, digits, '.', '_' or '-'")
	}
	if err := replay.CheckSegment(c, r.Segment); err != nil {
		report("segment", "is no activated segment of this flow")
	}
	if len(c.Activation.Segments) == 0 {
		report("op", "needs an activated segment: without one nothing is exported")
	}
	if len(wrong) > 0 {
		return api.Invalid(wrong)
	}
	if r.ID == "" && !r.DryRun {
		r.ID = replay.NewReplayID(f.Now())
	}
	return nil
}

// by is who has a job done, as the destination's own notes have it.
func by(caller string) string {
	const where = "@control-plane"
	return strings.ToValidUTF8(caller[:min(len(caller), mostCaller)], "") + where
}

// mostCaller keeps the name of who has a job done below resend.MostBy, 100 bytes.
const mostCaller = 80

// Do implements jobs.Work.
func (f *Flows) Do(ctx context.Context, o jobs.Order, tell jobs.Teller) (jobs.Done, error) {
	c, err := f.config(ctx, o.Sandbox, o.Flow)
	if err != nil {
		return jobs.Done{}, err
	}
	began := *c
	if f.Share != nil {
		f.Share(c)
	}
	c.NewestKept = newestKept
	var done jobs.Done
	err = f.watched(ctx, &o, &began, func(ctx context.Context) error {
		var err error
		done, err = f.do(ctx, c, o, tell)
		return err
	})
	if err != nil {
		err = shown{err}
	}
	return done, err
}

// Exists says whether there is a flow.
func (f *Flows) Exists(ctx context.Context, sandbox, flowID string) error {
	view, err := f.Store.View(ctx)
	if err != nil {
		return err
	}
	if _, there := view.Get(documents.Key(documents.Flows, sandbox, flowID)); !there {
		return api.Refuse(api.CodeNotFound, "there is no flow %q in this sandbox", flowID)
	}
	return nil
}

// do does what is asked, by a configuration.
func (f *Flows) do(ctx context.Context, c *config.Config, r jobs.Order, tell jobs.Teller) (jobs.Done, error) {
	switch filter := (deadletters.Filter{Reasons: []string{r.Reason}}); r.Op {
	case jobs.Redrive:
		return f.redrive(ctx, c, filter, r, tell)
	case jobs.Drop:
		account, err := deadletters.Drop(ctx, c, deadletters.DropOptions{Filter: filter, DryRun: r.DryRun, By: by(r.By), Logger: f.Log})
		if account == nil {
			return jobs.Done{}, err
		}
		return jobs.Done{Selected: account.Dropped, Finished: account.Dropped, By: map[string]int64{"dropped": account.Dropped, "erased": account.Erased}}, err
	}
	return f.replay(ctx, c, r, tell)
}

func (f *Flows) redrive(ctx context.Context, c *config.Config, filter deadletters.Filter, r jobs.Order, tell jobs.Teller) (jobs.Done, error) {
	account, err := deadletters.Redrive(ctx, c, deadletters.RedriveOptions{
		Filter: filter, DryRun: r.DryRun, MaxRedrives: maxRedrives, Logger: f.Log, Progress: tell.Progress, Held: tell.Held, By: by(r.By),
	})
	if account == nil {
		return jobs.Done{}, err
	}
	return jobs.Done{Selected: account.Selected, Finished: account.Done(), By: counted(map[string]int64{
		"delivered": account.Delivered, "superseded": account.Superseded,
	}, account.Filtered, account.DeadLettered, account.Left)}, err
}

// counted adds up what there is of each word.
func counted(all ...map[string]int64) map[string]int64 {
	sum := map[string]int64{}
	for _, counts := range all {
		for word, n := range counts {
			if n > 0 {
				sum[word] += n
			}
		}
	}
	return sum
}

// replay sends events once more: those of a range, or the present state of members.
func (f *Flows) replay(ctx context.Context, c *config.Config, r jobs.Order, tell jobs.Teller) (jobs.Done, error) {
	from, err := consumer.ParsePlace(r.From, f.Now())
	if err != nil {
		return jobs.Done{}, err
	}
	to, err := consumer.ParsePlace(r.To, f.Now())
	if err != nil {
		return jobs.Done{}, err
	}
	var read, all int64
	result, err := replay.Run(ctx, c, replay.Options{
		From: from, To: to, Segment: r.Segment, LatestOnly: !r.EveryEvent, Members: r.Op == jobs.Backfill, Rate: float64(r.Rate), DryRun: r.DryRun, ID: r.ID, Logger: f.Log,
		By: by(r.By), Held: tell.Held, BesideLive: r.EveryEvent, Letters: replay.LettersSkip, // whose letters were made when they came first
		Progress: func(done, total int64) {
			read, all = done, total
			tell.Progress(done, total)
		},
	})
	if errors.Is(err, replay.ErrOtherReplay) {
		err = api.Refuse(api.CodeConflict, "the id is that of a replay or backfill with another range, segment or kind: leave the id out, or ask for the same")
	}
	if result == nil {
		return jobs.Done{}, err
	}
	done := jobs.Done{Selected: all, Finished: read, By: counted(map[string]int64{"delivered": result.Delivered}, result.Filtered, result.DeadLettered)}
	if e := result.Estimate; e != nil {
		delete(done.By, "delivered") // nothing was
		done.Estimate = &jobs.Estimate{Records: e.Records, Bytes: e.Bytes, Shards: e.Shards, Seconds: e.Seconds, USD: e.USD, Prices: e.Prices}
	}
	return done, err
}
