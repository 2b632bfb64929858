package transform

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"kinesis-destination/schemas"
)

// FuzzSchemas takes any text for a schema and any bytes for an event of it: both are judged in time, with a short reason,
// and what is exported is JSON.
func FuzzSchemas(f *testing.F) {
	sound := eventWith(nil, nil).Body
	f.Add(schemas.SegmentEvaluation, sound)
	for _, c := range costly() {
		if text := eventOf(`{"type":"array","items":` + c.items + `}`); len(text) < 16<<10 {
			f.Add(text, eventWith(nil, []byte("\x02"+c.item+"\x00")).Body)
		}
	}
	for _, person := range []string{
		doubling(20, `"null"`), `["null",{"type":"map","values":"person"}]`, `{"type":"record","name":"N","fields":[{"name":"a","type":["null","N"]},{"name":"b","type":"N"}]}`,
		`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, `{"type":"enum","name":"S","symbols":["a-b"],"labels":["C2"]}`,
		`["null",{"type":"record","name":"R","fields":[{"name":"a","type":"long","aliases":["x"],"labels":["C12"]}]},{"type":"record","name":"T","fields":[{"name":"x","type":"E"}]}]`,
	} {
		f.Add(eventOf(person), sound)
	}
	config := personConfig()
	config.Activation.Attributes = []string{"person", "a.x", "a.b.c"}
	config.Governance = Governance{EnabledPolicies: []string{"core/C2-exportToThirdParty"}, OnViolation: ViolationDropField}
	rules, err := NewRules(config)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, body []byte) {
		began := time.Now()
		defer func() {
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%v for %d bytes of schema and %d of event", took, len(text), len(body))
			}
		}()
		s, err := schemas.Parse(text)
		if err != nil {
			if len(err.Error()) > 1024 {
				t.Errorf("an error of %d bytes: %.200s", len(err.Error()), err)
			}
			return
		}
		plan, err := Compile(rules, s)
		if err != nil {
			return
		}
		event := schemas.Event{Schema: s, Body: slices.Clip(body)}
		d, err := plan.Apply(nil, event, Source{})
		if d.Outcome == Export && (err != nil || !json.Valid(d.Data) || d.PartitionKey == "" || len(d.Data) > maxRecord) {
			t.Errorf("%v %q %d %.300s", err, d.PartitionKey, len(d.Data), d.Data)
		}
		if why := plan.Violation(); why != nil && len(why.Error()) > 64<<10 {
			t.Errorf("a violation of %d bytes", len(why.Error()))
		}
		plan.Explain(event, Source{})
		_, _ = plan.Memberships(event, nil)
		shown, err := s.DecodeJSON(body)
		if err == nil && (!json.Valid(shown) || d.Reason == ReasonMalformed) {
			t.Errorf("%v %s, shown as %.300s", d.Outcome, d.Reason, shown)
		}
	})
}
