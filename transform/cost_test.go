package transform

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"kinesis-destination/schemas"
)

// cost is what a call takes: its time, and what it allocates.
func cost(f func()) (took time.Duration, allocated uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	f()
	took = time.Since(began)
	runtime.ReadMemStats(&after)
	return took, after.TotalAlloc - before.TotalAlloc
}

// eventOf is a schema of events whose attribute "person" has a type.
func eventOf(person string) []byte {
	return []byte(`{"type":"record","name":"E","fields":[
{"name":"profileId","type":"string"},
{"name":"changed","type":{"type":"record","name":"C","fields":[{"name":"segments","type":{"type":"array","items":"string"}},{"name":"attributes","type":{"type":"array","items":"string"}}]}},
{"name":"attributes","type":{"type":"record","name":"A","fields":[{"name":"person","type":` + person + `}]}},
{"name":"segmentMembership","type":{"type":"map","values":{"type":"map","values":{"type":"record","name":"M","fields":[{"name":"status","type":"string"}]}}}},
{"name":"identityMap","type":{"type":"map","values":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"id","type":"string"}]}}}}]}`)
}

// eventWith is the bytes of such an event around those of the attribute.
func eventWith(s *schemas.Schema, person []byte) schemas.Event {
	body := []byte("\x02p\x02\x06seg\x00\x00")
	body = append(body, person...)
	return schemas.Event{Schema: s, Body: append(body, "\x02\x06ups\x02\x06seg\x10realized\x00\x00\x00"...)}
}

func personConfig() Config {
	return Config{Activation: Activation{
		Segments: []Segment{{ID: "seg"}}, Attributes: []string{"person"}, MarketingActions: []string{"exportToThirdParty"},
		UnmappedSegments: AllSegments, AllowCollections: true,
	}}
}

// doubling is a record of two fields of a record of two fields of … n levels deep.
func doubling(n int, leaf string) string {
	inner := `{"type":"record","name":"R0","fields":[{"name":"a","type":` + leaf + `}]}`
	for i := 1; i <= n; i++ {
		inner = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i, inner, i-1)
	}
	return inner
}

// TestAnEventOfFewBytesIsJudgedAtOnce, also when it has 2^60 values: types of no byte double at each level.
func TestAnEventOfFewBytesIsJudgedAtOnce(t *testing.T) {
	for _, leaf := range []string{`"null"`, `{"type":"fixed","name":"Z","size":0}`} {
		for name, c := range map[string]struct{ person, body string }{
			"mapped":            {doubling(60, leaf), ""},
			"in an array":       {`{"type":"array","items":` + doubling(60, leaf) + `}`, "\x7e\x00"},
			"in a union, twice": {`{"type":"array","items":["null",` + doubling(60, leaf) + `]}`, "\x04\x02\x02\x00"},
			"beside a boolean":  {`{"type":"record","name":"P","fields":[{"name":"none","type":` + doubling(60, leaf) + `},{"name":"yes","type":"boolean"}]}`, "\x01"},
		} {
			s := mustSchema(t, eventOf(c.person))
			for _, path := range []string{"person", "person.a.b.a", "elsewhere"} {
				config := personConfig()
				config.Activation.Attributes = []string{path}
				plan := mustPlan(t, config, s)
				var d Decision
				var err error
				if took, _ := cost(func() { d, err = plan.Apply(nil, eventWith(s, []byte(c.body)), Source{}) }); took > 5*time.Second || d.Outcome != Export || err != nil {
					t.Errorf("%s, %s: %v after %v, %v", name, path, d.Outcome, took, err)
				}
			}
		}
	}
}

// costly are attributes that take or become much for each of their bytes: a type, and an item of an array of it.
func costly() map[string]struct{ items, item string } {
	name := strings.Repeat("n", 1900)
	deep := `["null","boolean"]`
	for i := range 100 {
		deep = fmt.Sprintf(`{"type":"record","name":"D%d","fields":[{"name":"%s","type":%s}]}`, i, strings.Repeat("d", 17), deep)
	}
	pair := `{"type":"record","name":"Pair","fields":[{"name":"a","type":["null","boolean"]},{"name":"b","type":["null","boolean"]}]}`
	for i := range 100 {
		pair = fmt.Sprintf(`{"type":"record","name":"D%d","fields":[{"name":"%s","type":%s}]}`, i, strings.Repeat("d", 17), pair)
	}
	var wide strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&wide, `{"name":"f%d","type":"null"},`, i)
	}
	return map[string]struct{ items, item string }{
		"decimals of a thousand digits":   {`{"type":"bytes","logicalType":"decimal","precision":1000,"scale":1000}`, "\x02\x01"},
		"decimals beyond the digits":      {`{"type":"bytes","logicalType":"decimal","precision":100000,"scale":100000}`, "\x02\x01"},
		"booleans of a long name":         {`{"type":"record","name":"B","fields":[{"name":"` + name + `","type":"boolean"}]}`, "\x01"},
		"nulls of a long name":            {`{"type":"record","name":"B","fields":[{"name":"` + name + `","type":["null","boolean"]}]}`, "\x00"},
		"nulls at the end of a long path": {deep, "\x00"},
		"two nulls at the end of one":     {pair, "\x00\x00"},
		"a boolean among 40,000 nulls":    {`{"type":"record","name":"W","fields":[` + wide.String() + `{"name":"yes","type":"boolean"}]}`, "\x01"},
		"enums of a long symbol":          {`{"type":"enum","name":"S","symbols":["` + strings.Repeat("s", 1<<20) + `"]}`, "\x00"},
		"arrays of nulls":                 {`{"type":"array","items":"null"}`, strings.Repeat("\x7e", 1023) + "\x00"},
		"nulls":                           {`["null","string"]`, "\x00"},
		"records of nothing":              {`["null",{"type":"record","name":"N","fields":[]}]`, "\x02"},
		"control characters":              {`"string"`, "\x02\x01"},
	}
}

// TestWhatAnEventCostsIsBoundedByItsBytes: the worst that a byte can do is to name a hundred
// records around nothing, four microseconds, and a record that no stream
// would take is not written to its end.
func TestWhatAnEventCostsIsBoundedByItsBytes(t *testing.T) {
	const size = 64 << 10 // a megabyte takes 16 times as long
	for name, c := range costly() {
		s := mustSchema(t, eventOf(`{"type":"array","items":`+c.items+`}`))
		plan := mustPlan(t, personConfig(), s)
		n := size / len(c.item)
		person := append(appendVarint(nil, int64(n)), strings.Repeat(c.item, n)...)
		event := eventWith(s, append(person, 0))
		var d Decision
		var err error
		took, allocated := cost(func() { d, err = plan.Apply(nil, event, Source{}) })
		t.Logf("%s: an event of %d bytes: %v, %d MiB allocated, %v %s, %d bytes", name, len(event.Body), took, allocated>>20, d.Outcome, d.Reason, len(d.Data))
		if took > 20*time.Second || allocated > 100<<20 {
			t.Errorf("%s: an event of %d bytes: %v, %d MiB allocated", name, len(event.Body), took, allocated>>20)
		}
		switch {
		case d.Outcome == Export && err == nil && len(d.Data) <= maxRecord:
		case d.Outcome == Reject && (d.Reason == ReasonRecordTooLarge || d.Reason == ReasonNotANumber) && d.PartitionKey == "p" && err != nil:
		default:
			t.Errorf("%s: %v %s, %d bytes under %q: %v", name, d.Outcome, d.Reason, len(d.Data), d.PartitionKey, err)
		}
	}
}

func appendVarint(b []byte, v int64) []byte {
	u := uint64(v) << 1
	for u >= 0x80 {
		b = append(b, byte(u)|0x80)
		u >>= 7
	}
	return append(b, byte(u))
}

// TestARecordIsAsLargeAsAStreamTakes: ten mebibytes leave, a byte more does not.
func TestARecordIsAsLargeAsAStreamTakes(t *testing.T) {
	s := mustSchema(t, eventOf(`"string"`))
	plan := mustPlan(t, personConfig(), s)
	export := func(n int) Decision {
		person := append(appendVarint(nil, int64(n)), strings.Repeat("x", n)...)
		d, _ := plan.Apply([]byte("before"), eventWith(s, person), Source{})
		return d
	}
	around := len(export(0).Data)
	if d := export(maxRecord - around); d.Outcome != Export || len(d.Data) != maxRecord {
		t.Errorf("%d bytes: %v %s", len(d.Data), d.Outcome, d.Reason)
	}
	if d := export(maxRecord - around + 1); d.Outcome != Reject || d.Reason != ReasonRecordTooLarge {
		t.Errorf("a byte more: %v %s", d.Outcome, d.Reason)
	}
}

// TestLabelsCostABoundedTimeAndText: twenty thousand labelled fields made a text of four
// megabytes, and took seconds, as each was compared with each.
func TestLabelsCostABoundedTimeAndText(t *testing.T) {
	var fields strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&fields, `,{"name":"field%d","type":"string","labels":["C2","X%d"]}`, i, i)
	}
	s := mustSchema(t, eventOf(`{"type":"record","name":"P","fields":[`+fields.String()[1:]+`]}`))
	for _, onViolation := range []string{ViolationDeadLetter, ViolationDropField} {
		config := personConfig()
		config.Governance = Governance{EnabledPolicies: []string{"core/C2-exportToThirdParty"}, OnViolation: onViolation}
		rules, err := NewRules(config)
		if err != nil {
			t.Fatal(err)
		}
		var plan *Plan
		took, allocated := cost(func() { plan, err = Compile(rules, s) })
		if err != nil || took > 20*time.Second || allocated > 50<<20 {
			t.Errorf("%v after %v, %d MiB allocated", err, took, allocated>>20)
		}
		why := fmt.Sprint(plan.Violation())
		if len(why) > 20<<10 || !strings.Contains(why, "field person.field0 carries C2") || !strings.Contains(why, "more carry them") {
			t.Errorf("a text of %d bytes: %.300s", len(why), why)
		}
	}
}

// TestWaysToAMappedPathAreBounded: unions of fifty records that share the types of their fields are 50^5 ways.
func TestWaysToAMappedPathAreBounded(t *testing.T) {
	inner := `"string"`
	for level := range 5 {
		branches := make([]string, 50)
		for i := range branches {
			of := inner
			if i > 0 && level > 0 {
				of = `["null"`
				for j := range branches {
					of += fmt.Sprintf(`,"L%dR%d"`, level-1, j)
				}
				of += `]`
			}
			branches[i] = fmt.Sprintf(`{"type":"record","name":"L%dR%d","fields":[{"name":"a","type":%s}]}`, level, i, of)
		}
		inner = `["null",` + strings.Join(branches, ",") + `]`
	}
	s := mustSchema(t, eventOf(inner))
	config := personConfig()
	config.Activation.Attributes = []string{"person.a.a.a.a.a"}
	config.Governance = Governance{EnabledPolicies: []string{"core/C2-exportToThirdParty"}}
	rules, err := NewRules(config)
	if err != nil {
		t.Fatal(err)
	}
	took, allocated := cost(func() { _, err = Compile(rules, s) })
	if err == nil || !strings.Contains(err.Error(), "lie on the ways to the mapped paths") || took > 10*time.Second || allocated > 300<<20 {
		t.Errorf("%v after %v, %d MiB allocated", err, took, allocated>>20)
	}
	took, allocated = cost(func() { rules.CheckPaths(s) })
	if took > 10*time.Second || allocated > 100<<20 {
		t.Errorf("looking for paths: %v, %d MiB allocated", took, allocated>>20)
	}
	config.Activation.Attributes = []string{"person"}
	if rules, err = NewRules(config); err != nil {
		t.Fatal(err)
	}
	took, allocated = cost(func() { rules.StayingBehind(s) })
	if took > 10*time.Second || allocated > 100<<20 {
		t.Errorf("looking for collections: %v, %d MiB allocated", took, allocated>>20)
	}
}

// TestAPlanIsNoLargerThanItsSchema, also where hundreds of thousands of ways lead to a mapped path: each union on them
// is one of all the records of the next level.
func TestAPlanIsNoLargerThanItsSchema(t *testing.T) {
	const records = 40
	fields := make([]string, 63)
	for i := range fields {
		fields[i] = fmt.Sprintf(`{"name":"f%d","type":"long"}`, i)
	}
	inner := `{"type":"record","name":"Leaf","fields":[{"name":"in","type":{"type":"record","name":"Wide","fields":[` + strings.Join(fields, ",") + `]}}]}`
	for level := range 3 {
		branches := make([]string, records)
		for i := range branches {
			of := inner
			if i > 0 && level == 0 {
				of = `"Leaf"`
			} else if i > 0 {
				names := make([]string, records)
				for j := range names {
					names[j] = fmt.Sprintf(`"L%dR%d"`, level-1, j)
				}
				of = `["null",` + strings.Join(names, ",") + `]`
			}
			branches[i] = fmt.Sprintf(`{"type":"record","name":"L%dR%d","fields":[{"name":"a","type":%s}]}`, level, i, of)
		}
		inner = `["null",` + strings.Join(branches, ",") + `]`
	}
	s := mustSchema(t, eventOf(inner))
	config := personConfig()
	config.Activation.Attributes = []string{"person.a.a.a"}
	rules, err := NewRules(config)
	if err != nil {
		t.Fatal(err)
	}
	took, allocated := cost(func() { _, err = Compile(rules, s) })
	if err != nil || took > 10*time.Second || allocated > 100<<20 {
		t.Errorf("%v after %v, %d MiB allocated, for a schema of %d KiB", err, took, allocated>>20, s.Size()>>10)
	}
}

// TestAttributesAreFoundAtAnyDepth that is read, wherever they stand in the event: what is looked at a second time, to
// find them, is no deeper then.
func TestAttributesAreFoundAtAnyDepth(t *testing.T) {
	for wide := 58; wide < 66; wide++ {
		fields := strings.Repeat(`{"name":"f%d","type":"long"},`, wide)
		numbers := make([]any, wide)
		for i := range numbers {
			numbers[i] = i
		}
		person := `["null",{"type":"record","name":"P","fields":[` + fmt.Sprintf(fields, numbers...) + `{"name":"next","type":["null","P"]}]}]`
		text := string(eventOf(person))
		changed := strings.Index(text, `{"name":"changed"`)
		attributes := strings.Index(text, `{"name":"attributes","type":{"type":"record"`)
		membership := strings.Index(text, `{"name":"segmentMembership"`)
		first := text[:changed] + text[attributes:membership] + text[changed:attributes] + text[membership:]
		for i := range 40 { // a level is a call or two
			depth := 490 + i
			if i >= 20 {
				depth += 480
			}
			value := bytes.Repeat(append([]byte{2}, make([]byte, wide)...), depth)
			value = append(value, 0)
			after, before := mustSchema(t, []byte(text)), mustSchema(t, []byte(first))
			usual := eventWith(after, value)
			head, tail := []byte("\x02p"), bytes.TrimPrefix(usual.Body, []byte("\x02p"))
			other := schemas.Event{Schema: before, Body: slices.Concat(head, value, []byte("\x02\x06seg\x00\x00"), tail[len("\x02\x06seg\x00\x00")+len(value):])}
			got, err := mustPlan(t, personConfig(), before).Apply(nil, other, Source{})
			want, _ := mustPlan(t, personConfig(), after).Apply(nil, usual, Source{})
			if depth < 495 && got.Outcome != Export {
				t.Fatalf("%d fields, %d deep: %v %v", wide, depth, got.Outcome, err)
			}
			if got.Outcome == Export && !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%d fields, %d deep: %d bytes where the attributes come first, %d where they come last", wide, depth, len(got.Data), len(want.Data))
			}
		}
	}
}
