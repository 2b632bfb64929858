package flowservice

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/status"
)

// Activity tells what the processes do for flows; any replica's is the same.
type Activity interface {
	// Flow is what all processes tell of a flow now.
	Flow(id string) status.Told
	// Runs are the hours of a flow, the newest first.
	Runs(flow string) []status.Run
	// Trouble is why that may be old; nil: it is not.
	Trouble() error
}

// runs answers what the data plane did for a flow, by hours, the newest first.
func (s *Service) runs(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	q, err := api.ParseQuery(r.URL.Query())
	if err != nil {
		return err
	}
	q.NewestFirst()
	id, ok := q.Equals("flowId")
	if !ok {
		return api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: "property", Message: "must name a flow: property=flowId==ID"}})
	}
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	if _, err := find(v, s.flowKind(), c.Sandbox, id); err != nil {
		return err
	}
	var items []api.Item
	if s.o.Activity != nil {
		s.warnActivity(w)
		for _, run := range s.o.Activity.Runs(id) {
			shown, err := fields(showRun(c.Sandbox, id, run))
			if err != nil {
				return err
			}
			name, _ := shown["id"].(string)
			items = append(items, api.Item{ID: name, Fields: shown})
		}
	}
	return answerQuery(w, r, q, items, func(item api.Item) (object, error) { return item.Fields, nil })
}

// warnActivity says in a header that what processes do may be known of before only.
func (s *Service) warnActivity(w http.ResponseWriter) {
	if s.o.Activity == nil {
		return
	}
	if err := s.o.Activity.Trouble(); err != nil {
		w.Header().Add("Warning", warning("what flows do may be old: "+err.Error()))
	}
}

// showRun is an hour of a flow as the platform shows a run. An hour has no run of its
// own here: flows stream.
func showRun(sandbox, flow string, r status.Run) object {
	duration := object{"startedAtUTC": r.First.UnixMilli()}
	if !r.Open {
		duration["completedAtUTC"] = r.Last.UnixMilli()
	}
	segments := []object{}
	for _, id := range slices.SortedFunc(maps.Keys(r.Segments), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Segments[b], r.Segments[a]), cmp.Compare(a, b))
	}) {
		segments = append(segments, object{"id": "segment:" + id, "outputRecordCount": r.Segments[id]})
	}
	return object{
		"id": flow + "." + r.Hour.UTC().Format("2006-01-02T15Z"), "flowId": flow, "sandboxName": sandbox,
		"createdAt": r.Hour.UnixMilli(), "updatedAt": r.Last.UnixMilli(),
		"metrics": object{
			"durationSummary": duration,
			"recordSummary": object{
				"inputRecordCount": r.Received, "outputRecordCount": r.Activated,
				"skippedRecordCount": total(r.Excluded), "failedRecordCount": total(r.Failed), "underWayRecordCount": r.UnderWay,
				"skippedInfo": causes(r.Excluded), "failedInfo": causes(r.Failed),
				"targetSummaries": []object{{"entitySummaries": segments}},
			},
			"statusSummary": object{"status": outcome(r)},
		},
	}
}

func outcome(r status.Run) string {
	switch {
	case r.Open:
		return "inProgress"
	case total(r.Failed) == 0:
		return "success"
	case r.Activated == 0:
		return "failed"
	}
	return "partialSuccess"
}

// causes are reasons and how often, the most frequent first.
func causes(by map[string]int64) []object {
	list := []object{}
	for _, reason := range slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) }) {
		list = append(list, object{"code": reason, "message": strings.NewReplacer("-", " ", "_", " ").Replace(reason), "count": by[reason]})
	}
	return list
}

func total(by map[string]int64) (n int64) {
	for _, v := range by {
		n += v
	}
	return n
}

// showTold is what processes tell of a flow, as a document shows it.
func showTold(t status.Told) object {
	shown := object{"state": t.State}
	waiting(shown, t.Lag, t.LagSeconds)
	stated(shown, t.Reason, t.Detail, t.Since)
	if !t.At.IsZero() {
		shown["asOf"] = t.At.UnixMilli()
	}
	processes := []object{}
	for _, p := range t.Processes {
		one := object{"id": p.Process, "state": p.State, "asOf": p.At.UnixMilli(), "silent": p.Silent}
		waiting(one, p.Lag, p.LagSeconds)
		stated(one, p.Reason, p.Detail, p.Since)
		if p.Host != "" {
			one["host"] = p.Host
		}
		processes = append(processes, one)
	}
	shown["processes"] = processes
	return shown
}

// waiting puts in what waits, where it is known.
func waiting(shown object, lag int64, seconds float64) {
	if lag >= 0 {
		shown["lag"], shown["lagSeconds"] = lag, seconds
	}
}

func stated(shown object, reason, detail string, since time.Time) {
	if reason != "" {
		shown["reason"] = reason
	}
	if detail != "" {
		shown["detail"] = detail
	}
	if !since.IsZero() {
		shown["since"] = since.UnixMilli()
	}
}
