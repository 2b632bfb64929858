package transform

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kinesis-destination/schemas"
)

// hostileConfig maps much, so that much of an event is read.
func hostileConfig() Config {
	c := exampleConfig()
	c.Activation.Attributes = []string{"person", "personalEmail", "mobilePhone", "homeAddress", "loyalty"}
	c.Activation.UnmappedSegments = AllSegments
	c.Activation.AllowCollections = true
	c.Governance.OnViolation = ViolationDropField
	c.Metadata = true
	return c
}

// FuzzHostileBytes gives the plan any bytes at all, as events of the contract's schema.
func FuzzHostileBytes(f *testing.F) {
	s := mustSchema(f, schemas.SegmentEvaluation)
	plan := mustPlan(f, hostileConfig(), s)
	body := mustEvent(f, s, exampleEvent).Body
	f.Add(body)
	f.Add(body[:len(body)/2])
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := plan.Apply(nil, schemas.Event{Schema: s, Body: slices.Clip(body)}, Source{})
		if d.Outcome == Export && (err != nil || !json.Valid(d.Data) || d.PartitionKey == "") {
			t.Errorf("%v %q %s", err, d.PartitionKey, d.Data)
		}
		if len(d.Data) > 64*len(body)+1024 {
			t.Errorf("%d bytes out of %d", len(d.Data), len(body))
		}
		if text, err := s.DecodeJSON(body); err == nil && d.Reason == ReasonMalformed {
			t.Errorf("malformed, and yet it is %s", text)
		}
	})
}

func TestEveryTruncationIsMalformed(t *testing.T) {
	s := mustSchema(t, schemas.SegmentEvaluation)
	plan, event := mustPlan(t, exampleConfig(), s), mustEvent(t, s, exampleEvent)
	for n := range event.Body {
		d, err := plan.Apply(nil, schemas.Event{Schema: s, Body: event.Body[:n:n]}, Source{})
		if d.Outcome != Reject || d.Reason != ReasonMalformed || d.Stage != StageDecode || err == nil {
			t.Fatalf("the first %d bytes: %v %s", n, d.Outcome, d.Reason)
		}
	}
	d, _ := plan.Apply(nil, schemas.Event{Schema: s, Body: append(bytes.Clone(event.Body), 0)}, Source{})
	if d.Reason != ReasonMalformed {
		t.Fatalf("a byte too many: %v %s", d.Outcome, d.Reason)
	}
}

// TestHostileCountsCostNothing claims more than there is, wherever a length or a count stands.
func TestHostileCountsCostNothing(t *testing.T) {
	s := mustSchema(t, schemas.SegmentEvaluation)
	plan, event := mustPlan(t, hostileConfig(), s), mustEvent(t, s, exampleEvent)
	for _, claim := range []int64{1 << 20, 1 << 40, -1 << 40, -1 << 63, 1<<63 - 1} {
		for at := range event.Body {
			body := append(bytes.Clone(event.Body[:at]), binary.AppendVarint(nil, claim)...)
			body = append(body, event.Body[at+1:]...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = plan.Apply(nil, schemas.Event{Schema: s, Body: body}, Source{})
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<10 {
				t.Fatalf("%d at byte %d of %d: %d bytes allocated", claim, at, len(body), used)
			}
		}
	}
}

func TestNestingEndsInADeadLetter(t *testing.T) {
	s := mustSchema(t, withField(string(schemas.SegmentEvaluation), "attributes",
		`{"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"], "default": null}]}`))
	config := exampleConfig()
	config.Activation.Attributes = []string{"next"}
	plan := mustPlan(t, config, s)
	for _, c := range []struct {
		depth int
		want  Outcome
	}{{100, Export}, {100_000, Reject}} {
		event := mustEvent(t, s, []byte(overlay(blank,
			`"segmentMembership": {"ups": {"`+config.Activation.Segments[0].ID+`": {"lastQualificationTime": 0, "status": "realized"}}}`)))
		// The record of attributes is a single byte, 0 for null: put a long list in its place.
		at := bytes.Index(event.Body, []byte("M1")) + len("M1") + 1
		body := append(bytes.Clone(event.Body[:at]), bytes.Repeat([]byte{2}, c.depth)...)
		body = append(body, event.Body[at:]...)
		if d, err := plan.Apply(nil, schemas.Event{Schema: s, Body: body}, Source{}); d.Outcome != c.want {
			t.Errorf("%d levels: %v %s %v", c.depth, d.Outcome, d.Reason, err)
		}
	}
}

func TestTenThousandSegmentsAreOneRecord(t *testing.T) {
	const count = 10_000
	s := mustSchema(t, schemas.SegmentEvaluation)
	config := exampleConfig()
	config.Activation.UnmappedSegments = AllSegments
	var members []string
	for i := range count {
		members = append(members, fmt.Sprintf(`"segment-%d": {"lastQualificationTime": 0, "status": "realized"}`, i))
	}
	mapped := `"` + config.Activation.Segments[0].ID + `": {"lastQualificationTime": 0, "status": "realized"}`
	plan := mustPlan(t, config, s)
	for _, c := range []struct {
		name    string
		members []string
		want    Reason
	}{
		{"distinct", append(members, mapped), ""},
		{"one twice", append(members, mapped, members[count/2]), ReasonDuplicateKey},
	} {
		event := mustEvent(t, s, []byte(overlay(blank, `"segmentMembership": {"ups": {`+strings.Join(c.members, ", ")+`}}`)))
		d, _ := plan.Apply(nil, event, Source{})
		if d.Reason != c.want || c.want == "" && strings.Count(string(d.Data), "realized") != count+1 {
			t.Errorf("%s: %v %s, %d segments", c.name, d.Outcome, d.Reason, strings.Count(string(d.Data), "realized"))
		}
	}
}

// TestNothingIsQuadratic: a megabyte of dots, and a hundred thousand merge policies, take no longer than other events.
func TestNothingIsQuadratic(t *testing.T) {
	s := mustSchema(t, schemas.SegmentEvaluation)
	config := exampleConfig()
	plan := mustPlan(t, config, s)
	var members []string
	for i := range 50_000 {
		members = append(members, fmt.Sprintf(`%q: {"lastQualificationTime": 0, "status": "realized", "mergePolicyId": "M%d"}`,
			config.Activation.Segments[i%2].ID, i))
	}
	many := `{"ups": {` + strings.Join(members, ", ") + `}}`
	for changes, want := range map[string]Reason{
		`"changed": {"attributes": ["` + strings.Repeat(".", 1<<20) + `"]}`: ReasonUnmappedAttribute,
		`"segmentMembership": ` + many:                                      ReasonDuplicateKey,
	} {
		event := mustEvent(t, s, []byte(overlay(blank, changes)))
		started := time.Now()
		d, _ := plan.Apply(nil, event, Source{})
		if took := time.Since(started); d.Reason != want || took > 20*time.Second {
			t.Errorf("%.30s…: %v %s after %s", changes, d.Outcome, d.Reason, took)
		}
	}
}

func TestAMebibyteOfAttributeIsExported(t *testing.T) {
	s := mustSchema(t, schemas.SegmentEvaluation)
	text := strings.Repeat("ü\"", 1<<20/3)
	event := mustEvent(t, s, []byte(strings.Replace(string(exampleEvent), "yourstruly@adobe.con", strings.ReplaceAll(text, `"`, `\"`), 1)))
	d, err := mustPlan(t, exampleConfig(), s).Apply(nil, event, Source{})
	if err != nil {
		t.Fatal(err)
	}
	var record struct{ Person struct{ Email string } }
	if err := json.Unmarshal(d.Data, &record); err != nil || record.Person.Email != text {
		t.Errorf("%d bytes became %d: %v", len(text), len(record.Person.Email), err)
	}
}

func TestStringsAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
	for _, s := range hostileStrings() {
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := string(appendString(nil, s)) + "\n"; got != want.String() {
			t.Errorf("%q: %s, want %s", s, got, want.String())
		}
	}
}

// hostileStrings has every byte at every place of a word, and what is special in Unicode.
func hostileStrings() []string {
	list := []string{"", "\u2028\u2029", "\ufffd", "\xed\xa0\x80", "\xc3", "a\xf0\x9f\x98", "😀", "\u007f", strings.Repeat("plain text ", 9) + "\xff"}
	for b := range 256 {
		for at := range 9 {
			word := []byte("abcdefghi")
			word[at] = byte(b)
			list = append(list, string(word))
		}
	}
	return list
}

// TestAllocations holds the plan to its budget: nothing for a filtered event, the partition key for an exported one.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("pools lose things on purpose under the race detector; make test counts without it as well")
	}
	s := mustSchema(t, schemas.SegmentEvaluation)
	event, buffer := mustEvent(t, s, exampleEvent), make([]byte, 0, 1<<16)
	elsewhere := exampleConfig()
	elsewhere.Activation.Segments = []Segment{{ID: "another"}}
	many := exampleConfig()
	for i := range 60 {
		many.Activation.Attributes = append(many.Activation.Attributes, fmt.Sprintf("person.p%d", i))
	}
	for _, c := range []struct {
		name   string
		config Config
		want   float64
	}{{"exported", exampleConfig(), 1}, {"filtered", elsewhere, 0}, {"everything mapped", hostileConfig(), 1}, {"sixty attributes", many, 1}} {
		plan := mustPlan(t, c.config, s)
		got := testing.AllocsPerRun(200, func() { _, _ = plan.Apply(buffer, event, Source{Topic: "t"}) })
		if got > c.want {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.want)
		}
	}
}

func TestWriterSchemasInterleave(t *testing.T) {
	rules, err := NewRules(exampleConfig())
	if err != nil {
		t.Fatal(err)
	}
	first := mustSchema(t, schemas.SegmentEvaluation)
	second := mustSchema(t, withField(string(schemas.SegmentEvaluation), "attributes",
		`{"type": "record", "name": "Other", "fields": [{"name": "x", "type": "long"}, {"name": "person", "type": {"type": "record", "name": "P2", "fields": [{"name": "email", "type": "string"}]}}]}`))
	var plans []*Plan
	var events []schemas.Event
	for _, s := range []*schemas.Schema{first, second} {
		p, err := Compile(rules, s)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, p)
	}
	events = append(events, mustEvent(t, first, exampleEvent))
	events = append(events, mustEvent(t, second, []byte(overlay(string(exampleEvent), `"attributes": {"x": 1, "person": {"email": "yourstruly@adobe.con"}}`))))
	for i := range 100 {
		d, err := plans[i%2].Apply(nil, events[i%2], Source{})
		if err != nil || !strings.HasPrefix(string(d.Data), `{"person":{"email":"yourstruly@adobe.con"},"segmentMembership"`) {
			t.Fatalf("event %d: %v %s", i, err, d.Data)
		}
	}
}

// TestDeadLetterKeepsItsPartitionKey: an event that cannot be exported still has its place among its profile's.
func TestDeadLetterKeepsItsPartitionKey(t *testing.T) {
	s := mustSchema(t, withField(string(schemas.SegmentEvaluation), "attributes",
		`{"type": "record", "name": "Values", "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "string", "labels": ["C12"]}]}`))
	text := overlay(string(exampleEvent), `"attributes": {"x": "NaN", "y": ""}`)
	for _, c := range []struct {
		attribute, key string
		want           Reason
	}{{"x", "lead-4711", ReasonNotANumber}, {"y", "14575006536349286404619648085736425115", ReasonPolicyViolation}} {
		config := exampleConfig()
		config.Activation.Attributes = []string{c.attribute}
		config.Governance.OnViolation = ViolationDeadLetter
		if c.attribute == "y" {
			config.PartitionKey = "identity:ecid"
		}
		plan := mustPlan(t, config, s)
		d, _ := plan.Apply(nil, mustEvent(t, s, []byte(text)), Source{})
		if d.Outcome != Reject || d.Reason != c.want || d.PartitionKey != c.key {
			t.Errorf("%v %s under %q", d.Outcome, d.Reason, d.PartitionKey)
		}
		if (plan.Violation() != nil) != (c.want == ReasonPolicyViolation) {
			t.Errorf("violation: %v", plan.Violation())
		}
	}
}

// TestPlanIsSharedByGoroutines runs under the race detector, on events that borrow tables and slots.
func TestPlanIsSharedByGoroutines(t *testing.T) {
	s := mustSchema(t, schemas.SegmentEvaluation)
	config := hostileConfig()
	for i := range 24 {
		config.Activation.Attributes = append(config.Activation.Attributes, fmt.Sprint("unknown", i))
	}
	var members []string
	for i := range 50 {
		members = append(members, fmt.Sprintf(`"segment-%d": {"lastQualificationTime": 0, "status": "realized"}`, i))
	}
	mapped := `"` + config.Activation.Segments[0].ID + `": {"lastQualificationTime": 0, "status": "realized"}`
	event := mustEvent(t, s, []byte(overlay(string(exampleEvent),
		`"segmentMembership": {"ups": {`+strings.Join(append(members, mapped), ", ")+`}}`)))
	plan := mustPlan(t, config, s)
	want, err := plan.Apply(nil, event, Source{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var buffer []byte
			for range 100 {
				got, err := plan.Apply(buffer[:0], event, Source{})
				if err != nil || string(got.Data) != string(want.Data) {
					t.Errorf("%v %s", err, got.Data)
					return
				}
				buffer = got.Data
			}
		})
	}
	all.Wait()
}

func TestCompileNeedsRulesAndSchema(t *testing.T) {
	if _, err := Compile(nil, mustSchema(t, schemas.SegmentEvaluation)); err == nil {
		t.Error("no rules, no error")
	}
	if _, err := Compile(&Rules{}, nil); err == nil {
		t.Error("no schema, no error")
	}
}
