package flowservice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// preview judges changes of a flow and of its target connection together, without
// making them, and shows what they would make of the source's newest events.
func (s *Service) preview(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	var request struct {
		Flow   any `json:"flow"`
		Target any `json:"target"`
		// OnlyJudge leaves out what the changes would make of events.
		OnlyJudge bool `json:"onlyJudge"`
	}
	if problems := api.Into(body, &request, ""); len(problems) > 0 {
		return api.Invalid(problems)
	}
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	a := &attempt{ctx: r.Context(), caller: c, view: v, id: id, key: documents.Key(documents.Flows, c.Sandbox, id)}
	before, err := find(v, s.flowKind(), c.Sandbox, id)
	if err != nil {
		return err
	}
	var old Flow
	if err := documents.Decode(before, &old); err != nil {
		return err
	}
	refused := s.overlayTarget(a, &old, request.Target)
	var after *Flow
	if refused == nil {
		after, refused = s.wouldBe(a, before, request.Flow)
	}
	answer := object{"valid": refused == nil, "warnings": append([]string{}, a.warnings...)}
	if refused != nil {
		refusal, ok := errors.AsType[*api.Error](refused)
		if !ok {
			return refused
		}
		answer["refusal"] = refusal
		return api.Write(w, http.StatusOK, answer)
	}
	if !request.OnlyJudge {
		if err := s.outlook(a, answer, &old, after); err != nil {
			return err
		}
	}
	return api.Write(w, http.StatusOK, answer)
}

// overlayTarget has the attempt see the target connection as it would be.
func (s *Service) overlayTarget(a *attempt, f *Flow, patch any) error {
	if patch == nil || len(f.TargetConnectionIDs) != 1 {
		return nil
	}
	k := s.targetKind()
	before, err := find(a.view, k, a.caller.Sandbox, f.TargetConnectionIDs[0])
	if err != nil {
		return err
	}
	body, err := s.afterPatch(k, before, patch)
	if err != nil {
		return err
	}
	var request flowEndRequest[TargetParams]
	problems := api.Into(body, &request, "")
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	var t TargetConnection
	if err := documents.Decode(before, &t); err != nil {
		return err
	}
	t.Name, t.Description, t.Params = request.Name, request.Description, request.Params
	names(t.Name, t.Description, report)
	if base := a.base(t.BaseConnectionID, KinesisSpec, report); base != nil {
		s.validateTarget(a, base, &t, report)
	}
	if err := refusal(problems); err != nil {
		return err
	}
	a.overlay = map[string]documents.Entry{before.Key: {Key: before.Key, Etag: before.Etag, Doc: []byte(encoded(t))}}
	return nil
}

func (s *Service) afterPatch(k kind, before documents.Entry, patch any) (any, error) {
	if patch == nil {
		patch = []any{}
	}
	if list, ok := patch.([]any); ok && len(list) == 0 {
		return s.patched(k, before, nil)
	}
	operations, err := api.Operations(patch, api.ThreeOperations)
	if err != nil {
		return nil, err
	}
	return s.patched(k, before, operations)
}

// wouldBe is a flow as a patch would make it.
func (s *Service) wouldBe(a *attempt, before documents.Entry, patch any) (*Flow, error) {
	body, err := s.afterPatch(s.flowKind(), before, patch)
	if err != nil {
		return nil, err
	}
	doc, err := s.buildFlow(a, body, &before)
	if err != nil {
		return nil, err
	}
	f, ok := doc.(*Flow)
	if !ok {
		return nil, fmt.Errorf("flow %s: is of another kind", a.id)
	}
	return f, nil
}

// previewWait bounds the look at events: a person waits.
const previewWait = 5 * time.Second

// outlook adds to an answer what a flow would make of a sample.
func (s *Service) outlook(a *attempt, answer object, old, after *Flow) error {
	p, ok := s.gather(a.lookup, a.view, a.caller.Sandbox, after, func(string, string) {})
	if !ok || len(after.segments()) == 0 {
		return nil // nothing is exported
	}
	ctx, cancel := context.WithTimeout(a.ctx, previewWait)
	defer cancel()
	sample, unavailable := s.sampled(ctx, p.from)
	answer["sample"], answer["unavailable"] = sample, unavailable
	c, _ := s.configuration(p, func(string, string) {})
	c.Default()
	ruleset, err := rules.New(&c, 1)
	if err != nil {
		return fmt.Errorf("flow %s: %w", after.ID, err)
	}
	all, _ := s.o.Schemas(ctx, p.from) // what no schema has that is there is masked
	fields, _ := p.from.Fields(all)
	answer["example"] = exampleOf(ctx, ruleset, sample, masker(fields, c.Activation.AllowCollections))
	if b := s.backfillOf(ctx, &c, ruleset, sample, added(old, after)); b != nil {
		if err := s.unseal(p.account, &c.Target.Kinesis.Credentials); err == nil && c.Target.Kinesis.Stream != "" {
			b.price(s.capacity(ctx, &c))
		}
		answer["backfill"] = b
	}
	return nil
}

// added are the segments that a flow did not have before.
func added(old, after *Flow) []string {
	had := map[string]bool{}
	for _, segment := range old.segments() {
		had[segment.Value.ID] = true
	}
	var ids []string
	for _, segment := range after.segments() {
		if !had[segment.Value.ID] {
			ids = append(ids, segment.Value.ID)
		}
	}
	return ids
}

// example is an event of a sample as it would leave, masked; or what becomes of those
// that were looked at.
type example struct {
	Outcomes map[string]int `json:"outcomes"` // by outcome, with its reason
	Topic    string         `json:"topic,omitempty"`
	Offset   int64          `json:"offset"`
	Place    int            `json:"partition"`
	Record   any            `json:"record,omitempty"`
	State    bool           `json:"state,omitempty"` // no event would leave by itself: this is a profile as a backfill exports it
}

func exampleOf(ctx context.Context, ruleset *rules.Ruleset, sample *sources.Sample, mask func(document []byte) any) example {
	e := example{Outcomes: map[string]int{}}
	for _, one := range slices.Backward(sample.Events) {
		if ctx.Err() != nil {
			break
		}
		d, err := ruleset.Evaluate(nil, one.Event, rules.SourceIn(one.Message))
		said := d.Outcome.String()
		if d.Reason != "" {
			said += ": " + string(d.Reason)
		}
		e.Outcomes[said]++
		if err == nil && d.Outcome == transform.Export && (e.Record == nil || e.State) {
			e.Record, e.State = mask(d.Data), false
			e.Topic, e.Place, e.Offset = one.Message.Topic, one.Message.Partition, one.Message.Offset
		}
		if e.Record != nil {
			continue
		}
		if plan, err := ruleset.Plan(one.Event.Schema); err == nil {
			if d, err := plan.State(nil, one.Event, rules.SourceIn(one.Message)); err == nil && d.Outcome == transform.Export {
				e.Record, e.State = mask(d.Data), true
				e.Topic, e.Place, e.Offset = one.Message.Topic, one.Message.Partition, one.Message.Offset
			}
		}
	}
	return e
}

// backfill is what the export of earlier members would take, by a sample.
type backfill struct {
	Segments []string `json:"segments"`
	Matching int      `json:"matching"` // events of the sample that list one of them
	Of       int      `json:"of"`
	Records  int64    `json:"records"` // at most: a profile leaves once, however many events it has
	Bytes    int64    `json:"bytes"`
	Seconds  float64  `json:"seconds,omitempty"` // at the limits of the stream's shards
	USD      float64  `json:"usd,omitempty"`
	Prices   string   `json:"prices,omitempty"`
}

func (s *Service) backfillOf(ctx context.Context, c *config.Config, ruleset *rules.Ruleset, sample *sources.Sample, ids []string) *backfill {
	if len(ids) == 0 || !c.Activation.Backfill.NewSegments {
		return nil
	}
	b := &backfill{Segments: ids, Of: len(sample.Events)}
	var bytes int64
	for _, one := range sample.Events {
		plan, err := ruleset.Plan(one.Event.Schema)
		if err != nil || ctx.Err() != nil {
			continue
		}
		listed, err := plan.Memberships(one.Event, ctx.Done())
		if err != nil || !slices.ContainsFunc(listed, func(m transform.Membership) bool { return m.Inside && slices.Contains(ids, m.Segment) }) {
			continue
		}
		if d, err := plan.State(nil, one.Event, rules.SourceIn(one.Message)); err == nil && d.Outcome == transform.Export {
			b.Matching++
			bytes += int64(len(d.Data) + len(d.PartitionKey))
		}
	}
	if b.Of > 0 && b.Matching > 0 {
		b.Records = sample.Total * int64(b.Matching) / int64(b.Of)
		b.Bytes = b.Records * (bytes / int64(b.Matching))
	}
	return b
}

func (s *Service) capacity(ctx context.Context, c *config.Config) sink.Capacity {
	if s.o.Measure == nil {
		return sink.Capacity{}
	}
	capacity, err := s.o.Measure(ctx, c)
	if err != nil {
		s.o.Log.Warn("the stream's capacity is not known: no time of a backfill is estimated", "error", err)
	}
	return capacity
}

func (b *backfill) price(capacity sink.Capacity) {
	if capacity.Shards == 0 {
		return
	}
	b.Seconds, b.USD, b.Prices = capacity.Seconds(b.Records, b.Bytes), capacity.USD(b.Records, b.Bytes), sink.ListPrices
}
