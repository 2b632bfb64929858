package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/linkedin/goavro/v2"

	"kinesis-destination/schemas"
)

// rounds is how many random cases a test run takes; fuzzing goes on from there.
const rounds = 300

// FuzzPlanAgreesWithModel generates a writer schema, a destination and events from the fuzzer's bytes, and compares the
// plan's answer with goavro and the model's.
func FuzzPlanAgreesWithModel(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomDice(seed).bytes)
	}
	f.Fuzz(func(t *testing.T, bytes []byte) { compareWithModel(t, &dice{bytes}) })
}

func TestPlanAgreesWithModel(t *testing.T) {
	counts := map[string]int{}
	for seed := range uint64(rounds) {
		for outcome, n := range compareWithModel(t, randomDice(seed)) {
			counts[outcome] += n
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("seeds 0 to %d: %v", rounds-1, counts)
	for _, outcome := range []string{"export", "filter", "reject", "hold"} {
		if counts[outcome] < rounds/50 {
			t.Errorf("%s came up %d times only: the generator lost its reach", outcome, counts[outcome])
		}
	}
}

func compareWithModel(t *testing.T, d *dice) map[string]int {
	t.Helper()
	counts := map[string]int{}
	maker := schemaMaker{dice: d}
	root := maker.event()
	text := schemaText(root)
	config := maker.destination()
	schema, err := schemas.Parse(text)
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	codec, err := goavro.NewCodec(string(text))
	if err != nil {
		t.Fatalf("goavro: parse %s: %v", text, err)
	}
	rules, err := NewRules(config)
	if err != nil {
		t.Fatalf("destination %+v: %v", config, err)
	}
	config.Activation.Attributes = rules.paths // what another covers exports nothing of its own
	plan, err := Compile(rules, schema)
	if err != nil {
		t.Fatal(err)
	}
	judge := newModel(config, root)
	judge.source = Source{Topic: "t<&>", Partition: 3, Offset: 42}
	for range 3 {
		maker := encoder{dice: d, names: map[string]any{}}
		body := maker.value(nil, root, "")
		got, err := plan.Apply(nil, schemas.Event{Schema: schema, Body: body}, judge.source)
		want := judge.judge(codec, body)
		counts[got.Outcome.String()]++
		if (err != nil) != (got.Outcome == Reject || got.Outcome == Hold) {
			t.Errorf("outcome %v with error %v", got.Outcome, err)
		}
		if difference := differs(got, want); difference != "" {
			t.Fatalf("%s\nschema %s\ndestination %+v\nbytes %x\nplan  %v %q %s\nmodel %v %q %s", difference, text, config, body,
				got.Outcome, got.Reason, got.Data, want.outcome, want.reason, schemaText(want.record))
		}
		damage(t, d, plan, schema, codec, body)
	}
	return counts
}

// differs says how the plan's answer is another than the model's. An event can have two things wrong with it, of which
// either may be named.
func differs(got Decision, want verdict) string {
	if got.Outcome != want.outcome {
		return "another outcome"
	}
	if got.Outcome == Reject && got.Reason != ReasonMalformed && want.reason != ReasonMalformed {
		return ""
	}
	if got.Reason != want.reason || got.Outcome == Export && got.PartitionKey != want.key {
		return fmt.Sprintf("another reason or partition key: %q, %q", got.PartitionKey, want.key)
	}
	if got.Outcome != Export {
		return ""
	}
	if !utf8.Valid(got.Data) {
		return "the record is no UTF-8"
	}
	decoder := json.NewDecoder(bytes.NewReader(got.Data))
	decoder.UseNumber()
	var record any
	if err := decoder.Decode(&record); err != nil {
		return err.Error()
	}
	if !reflect.DeepEqual(record, normal(want.record)) {
		return "another record"
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, got.Data); err != nil || compact.String() != string(got.Data) {
		return "the record is not compact"
	}
	return ""
}

// damage cuts and changes the bytes of an event. What the plan still takes, goavro must take as well, duplicate keys
// aside, of which it knows nothing good and the plan only what it exports.
func damage(t *testing.T, d *dice, plan *Plan, schema *schemas.Schema, codec *goavro.Codec, body []byte) {
	t.Helper()
	for i := range 4 {
		damaged := bytes.Clone(body)
		if len(damaged) == 0 {
			return
		}
		at := d.roll(256) * len(damaged) / 256
		if i%2 == 0 {
			damaged = damaged[:at]
		} else {
			damaged[at] ^= byte(1 << d.roll(8))
		}
		got, _ := plan.Apply(nil, schemas.Event{Schema: schema, Body: slices.Clip(damaged)}, Source{})
		if got.Outcome == Export && !json.Valid(got.Data) {
			t.Fatalf("no JSON of %x under %s: %s", damaged, schema.Text, got.Data)
		}
		if i%2 == 0 && at < len(body) && got.Reason != ReasonMalformed {
			t.Fatalf("%x is cut off, and yet %v %s under %s", damaged, got.Outcome, got.Reason, schema.Text)
		}
		if got.Reason == ReasonMalformed {
			continue
		}
		_, rest, err := codec.NativeFromBinary(damaged)
		if (err != nil && !bytes.Contains([]byte(err.Error()), []byte("duplicate key"))) || err == nil && len(rest) > 0 {
			t.Fatalf("the plan takes %x under %s, goavro does not: %v", damaged, schema.Text, err)
		}
	}
}
