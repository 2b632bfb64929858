package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kinesis-destination/schemas"
)

// long are events of more items than a walk takes between two looks, one for each loop that an event can make long.
func long(t *testing.T) map[string]struct {
	config Config
	event  schemas.Event
} {
	const items = 4 * stepsPerLook
	list := func(item string) []byte {
		return append(append(appendVarint(nil, items), strings.Repeat(item, items)...), 0)
	}
	entries := func(value string) []byte { // "k0": value and so on
		b := appendVarint(nil, items)
		for i := range items {
			key := fmt.Sprint("k", i)
			b = append(append(append(b, byte(2*len(key))), key...), value...)
		}
		return append(b, 0)
	}
	attributes := mustSchema(t, eventOf(`{"type":"array","items":`+costly()["nulls at the end of a long path"].items+`}`))
	entriesOf := mustSchema(t, eventOf(`{"type":"map","values":["null","boolean"]}`))
	plain := mustSchema(t, eventOf(`"string"`))
	consents := mustSchema(t, []byte(strings.Replace(string(eventOf(`"string"`)), `"fields":[`, `"fields":[
{"name":"consents","type":{"type":"map","values":"string"}},`, 1)))
	requiring := personConfig()
	requiring.Governance.Consent = Consent{Mode: ConsentEnforce, Require: map[string][]string{"marketing.email": {"y"}}}
	body := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	profile, segment, none := []byte("\x02p"), []byte("\x02\x06seg\x00"), []byte("\x00")
	person := []byte("\x02x")
	members := []byte("\x02\x06ups\x02\x06seg\x10realized\x00\x00")
	return map[string]struct {
		config Config
		event  schemas.Event
	}{
		"a hundred records around a null, in an array": {personConfig(), eventWith(attributes, list("\x00"))},
		"a map of nulls":            {personConfig(), eventWith(entriesOf, entries("\x00"))},
		"segments that changed":     {personConfig(), schemas.Event{Schema: plain, Body: body(profile, list("\x02s"), none, person, members, none)}},
		"attributes that changed":   {personConfig(), schemas.Event{Schema: plain, Body: body(profile, segment, list("\x02s"), person, members, none)}},
		"namespaces of memberships": {personConfig(), schemas.Event{Schema: plain, Body: body(profile, segment, none, person, entries("\x00"), none)}},
		"memberships":               {personConfig(), schemas.Event{Schema: plain, Body: body(profile, segment, none, person, []byte("\x02\x06ups"), entries("\x02s"), none, none)}},
		"namespaces of identities":  {personConfig(), schemas.Event{Schema: plain, Body: body(profile, segment, none, person, members, entries("\x00"))}},
		"identities":                {personConfig(), schemas.Event{Schema: plain, Body: body(profile, segment, none, person, members, []byte("\x02\x02n"), list("\x02i"), none)}},
		"consents":                  {requiring, schemas.Event{Schema: consents, Body: body(entries("\x02y"), profile, segment, none, person, members, none)}},
	}
}

// TestAWalkEndsWithItsClaim: an event of the worst shape, of ten mebibytes, held its worker for forty seconds, and so did
// SIGTERM. How far a walk goes on is counted in its steps.
func TestAWalkEndsWithItsClaim(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	for name, c := range long(t) {
		plan := mustPlan(t, c.config, c.event.Schema)
		if d, err := plan.Apply(nil, c.event, Source{Done: make(chan struct{})}); d.Outcome == 0 || errors.Is(err, ErrEnded) {
			t.Errorf("%s, under a claim that goes on: %v %v", name, d.Outcome, err)
		}
		if d, err := plan.Apply(nil, c.event, Source{Done: ended}); !errors.Is(err, ErrEnded) || d.Outcome != 0 || d.Data != nil {
			t.Errorf("%s, under one that ended: %v %s %v", name, d.Outcome, d.Reason, err)
		}
		j := evaluation{plan: plan, c: schemas.NewCursor(c.event.Body), watch: watch{done: ended}}
		if _, _ = j.apply(nil); !j.watch.over || j.watch.steps > 200 {
			t.Errorf("%s: %d steps after the look that found it ended", name, j.watch.steps)
		}
		if d, err := plan.State(nil, c.event, Source{Done: ended}); !errors.Is(err, ErrEnded) || d.Outcome != 0 {
			t.Errorf("%s, its state: %v %s %v", name, d.Outcome, d.Reason, err)
		}
		if !strings.HasSuffix(name, "changed") && !strings.HasSuffix(name, "memberships") {
			continue // of no concern to what follows: it is passed over in one step
		}
		if _, err := plan.Key(c.event, ended); !errors.Is(err, ErrEnded) {
			t.Errorf("%s, its key: %v", name, err)
		}
		if listed, err := plan.Memberships(c.event, ended); !errors.Is(err, ErrEnded) || listed != nil {
			t.Errorf("%s, its memberships: %v %v", name, listed, err)
		}
	}
}

// TestNothingIsWrittenOnTheWayToNothing: records around nulls leave no trace, wherever the first value comes.
func TestNothingIsWrittenOnTheWayToNothing(t *testing.T) {
	leaf := `["null","int",{"type":"record","name":"Empty","fields":[]}]`
	inner := `{"type":"record","name":"Chain","fields":[{"name":"c","type":{"type":"record","name":"D","fields":[{"name":"d","type":` + leaf + `},{"name":"e","type":["null","int"]}]}}]}`
	s := mustSchema(t, eventOf(`{"type":"record","name":"P","fields":[
{"name":"a","type":{"type":"record","name":"B","fields":[{"name":"b","type":`+inner+`}]}},
{"name":"x","type":["null","int"]},
{"name":"f","type":{"type":"record","name":"F","fields":[{"name":"g","type":"Chain"},{"name":"h","type":{"type":"array","items":"Chain"}}]}},
{"name":"z","type":["null","Chain"]}]}`))
	for _, c := range []struct{ person, want string }{
		{"\x00\x00 \x00 \x00\x00\x00 \x00", `{}`},
		{"\x02\x02\x00 \x00 \x00\x00\x00 \x00", `{"person":{"a":{"b":{"c":{"d":1}}}},`},
		{"\x00\x02\x04 \x00 \x00\x00\x00 \x00", `{"person":{"a":{"b":{"c":{"e":2}}}},`},
		{"\x02\x02\x02\x04 \x00 \x00\x00\x00 \x00", `{"person":{"a":{"b":{"c":{"d":1,"e":2}}}},`},
		{"\x04\x00 \x02\x06 \x00\x00\x00 \x00", `{"person":{"x":3},`},
		{"\x00\x00 \x02\x06 \x04\x02\x08\x00 \x02\x02\x0a\x00", `{"person":{"x":3,"f":{"g":{"c":{"e":4}}},"z":{"c":{"d":5}}},`},
		{"\x02\x02\x02\x04 \x02\x06 \x00\x00\x00 \x02\x00\x02\x0c", `{"person":{"a":{"b":{"c":{"d":1,"e":2}}},"x":3,"z":{"c":{"e":6}}},`},
	} {
		config := personConfig()
		config.Activation.AllowCollections = false
		event := eventWith(s, []byte(strings.ReplaceAll(c.person, " ", "")))
		d, err := mustPlan(t, config, s).Apply(nil, event, Source{})
		want := strings.TrimSuffix(c.want, "{}")
		if err != nil || !strings.HasPrefix(string(d.Data), want) || want == "" && strings.Contains(string(d.Data), "person") {
			t.Errorf("%q: %v %s", c.person, err, d.Data)
		}
		config.Activation.AllowCollections = true
		d, err = mustPlan(t, config, s).Apply(nil, event, Source{})
		if err != nil || !strings.Contains(string(d.Data), `"h":[]`) {
			t.Errorf("%q with collections: %v %s", c.person, err, d.Data)
		}
	}
}
