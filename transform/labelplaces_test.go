package transform

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kinesis-destination/schemas"
)

// TestALabelIsSeenWhereverItStands (rules 23, 24): what a label at one place protects, it
// protects at each other that a schema may have.
func TestALabelIsSeenWhereverItStands(t *testing.T) {
	rules, err := NewRules(Config{Activation: Activation{Segments: []Segment{{ID: "A"}}, Attributes: []string{"person.email"}}})
	if err != nil {
		t.Fatal(err)
	}
	const email = `{"name": "email", "type": ["null", "string"], "default": null, "labels": ["I1"]}`
	for _, c := range []struct{ what, replaced, by string }{
		{"the field", email, `{"name": "email", "type": "string", "labels": ["C12"]}`},
		{"its type", email, `{"name": "email", "type": {"type": "string", "labels": ["C12"]}}`},
		{"around its type", email, `{"name": "email", "type": {"type": {"type": "string"}, "labels": ["C12"]}}`},
		{"around a union", email, `{"name": "email", "type": {"type": ["null", "string"], "labels": ["C12"]}}`},
		{"around a branch", email, `{"name": "email", "type": ["null", {"type": {"type": "string"}, "labels": ["C12"]}]}`},
		{"twice around it", email, `{"name": "email", "type": {"type": {"type": "string", "labels": ["I1"]}, "labels": ["C12"]}}`},
		{"the profile's record", `"name": "Profile",`, `"name": "Profile", "labels": ["C12"],`},
		{"the event's record", `"name": "SegmentEvaluation",`, `"name": "SegmentEvaluation", "labels": ["C12"],`},
	} {
		text := strings.Replace(string(schemas.SegmentEvaluation), c.replaced, c.by, 1)
		if text == string(schemas.SegmentEvaluation) {
			t.Fatalf("%s: nothing was replaced", c.what)
		}
		if err := rules.Check(mustSchema(t, []byte(text))); err == nil {
			t.Errorf("a label at %s is not seen", c.what)
		}
	}
	// Around a reference it would be one of that place alone, and read as the type's.
	text := strings.Replace(string(schemas.SegmentEvaluation), email, `{"name": "email", "type": {"type": {"type": "record", "name": "Address", "fields": []}, "labels": ["C12"]}}`, 1)
	if _, err := schemas.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "Address") {
		t.Errorf("around a definition: %v", err)
	}
}

// TestALabelOfTheConfigurationIsSeenUnderEachNameOfAField (rules 21, 23): a field goes by its
// name and by its aliases, in what is mapped and in what is labelled.
func TestALabelOfTheConfigurationIsSeenUnderEachNameOfAField(t *testing.T) {
	text := strings.NewReplacer(
		`{"name": "person", "default"`, `{"name": "person", "aliases": ["human"], "default"`,
		`{"name": "email", "type": ["null", "string"], "default": null, "labels": ["I1"]}`,
		`{"name": "email", "aliases": ["mail", "post"], "type": ["null", "string"], "default": null}`,
	).Replace(string(schemas.SegmentEvaluation))
	schema := mustSchema(t, []byte(text))
	for _, c := range []struct {
		mapped, labelled string
		protected        bool
	}{
		{"person.email", "person.mail", true},
		{"person.mail", "person.email", true},
		{"person.mail", "person.post", true},
		{"human.post", "person.mail", true},
		{"person.email", "human", true},
		{"human", "person.mail", true},
		{"person.email", "human.name", false},
		{"person.email", "person.none", false},
	} {
		cfg := Config{
			Activation: Activation{Segments: []Segment{{ID: "A"}}, Attributes: []string{c.mapped}},
			Governance: Governance{FieldLabels: map[string][]string{c.labelled: {"C12"}}},
		}
		rules, err := NewRules(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := rules.Check(schema); err != nil != c.protected {
			t.Errorf("%s is mapped, %s is labelled: %v", c.mapped, c.labelled, err)
		}
	}
}

// TestAFieldThatIsLeftOutIsUnderNoOtherNameOfIt (rule 24): with drop-field, what is mapped by
// two of its names goes by neither.
func TestAFieldThatIsLeftOutIsUnderNoOtherNameOfIt(t *testing.T) {
	text := strings.Replace(string(schemas.SegmentEvaluation), `{"name": "email", `, `{"name": "email", "aliases": ["mail", "post"], `, 1)
	rules, err := NewRules(Config{
		Activation: Activation{Segments: []Segment{{ID: "A"}}, Attributes: []string{"person.post", "person.email", "person.mail", "person.birthDate"}},
		Governance: Governance{FieldLabels: map[string][]string{"person.email": {"C12"}}, OnViolation: ViolationDropField},
	})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Compile(rules, mustSchema(t, []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for i, path := range rules.paths {
		if !plan.dropped[i] {
			left = append(left, path)
		}
	}
	if !slices.Equal(left, []string{"person.birthDate"}) {
		t.Errorf("%v are not left out", left)
	}
}

// TestALabelIsSeenBelowARecordOfItsOwnKind (rules 23, 24): a profile may hold another profile, and
// that is mapped.
func TestALabelIsSeenBelowARecordOfItsOwnKind(t *testing.T) {
	attributes := strings.Replace(string(eventOf(`"string"`)), `{"type":"record","name":"A","fields":[{"name":"person","type":"string"}]}`, `{"type":"record","name":"Profile","fields":[
		{"name":"ssn","type":"string","labels":["C12"]},
		{"name":"guardian","type":["null","Profile"]},
		{"name":"household","type":{"type":"record","name":"Household","fields":[{"name":"head","type":["null","Profile"]},{"name":"size","type":"int"}]}}]}`, 1)
	s := mustSchema(t, []byte(attributes))
	for mapped, protected := range map[string]bool{"guardian": true, "household": true, "household.head": true, "household.size": false, "ssn": true} {
		config := personConfig()
		config.Activation.Attributes = []string{mapped}
		rules, err := NewRules(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := rules.Check(s); err != nil != protected {
			t.Errorf("%s is mapped: %v", mapped, err)
		}
	}
}

// TestEachLongPathIsLeftOut (rule 24): what is said of a path is cut short, and what is left out
// goes by the whole.
func TestEachLongPathIsLeftOut(t *testing.T) {
	long := strings.Repeat("a", 600)
	s := mustSchema(t, eventOf(`{"type":"record","name":"P","fields":[
		{"name":"`+long+`1","type":"string","labels":["C12"]},{"name":"`+long+`2","type":"string","labels":["C12"]},{"name":"b","type":"string"}]}`))
	config := personConfig()
	config.Activation.Attributes = []string{"person." + long + "1", "person." + long + "2", "person.b"}
	config.Governance.OnViolation = ViolationDropField
	rules, err := NewRules(config)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Compile(rules, s)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(slices.DeleteFunc(slices.Clone(plan.dropped), func(dropped bool) bool { return !dropped })); n != 2 {
		t.Errorf("%d of 2 paths are left out", n)
	}
}

// TestNamesOfAFieldAreBounded: of unions in unions whose fields share aliases there are more ways
// than anyone can follow. Then everything counts as labelled.
func TestNamesOfAFieldAreBounded(t *testing.T) {
	const branches = 60
	inner, known := `"string"`, `"string"`
	for level := range 4 {
		var defined, named []string
		for i := range branches {
			of := known
			if i == 0 {
				of = inner // where the types below are defined
			}
			defined = append(defined, fmt.Sprintf(`{"type":"record","name":"L%d_%d","fields":[{"name":"f%d","aliases":["a"],"type":%s}]}`, level, i, i, of))
			named = append(named, fmt.Sprintf(`"L%d_%d"`, level, i))
		}
		inner, known = "["+strings.Join(defined, ",")+"]", "["+strings.Join(named, ",")+"]"
	}
	s := mustSchema(t, eventOf(inner))
	names := fieldNames{schema: s, known: map[string][]string{}}
	_, allocated := cost(func() { names.under("person.a.a.a.a", "person.a.a.a.b") })
	if allocated > 50<<20 {
		t.Errorf("%d MiB allocated", allocated>>20)
	}
	if !names.under("person.a.a.a.a", "person.f1") {
		t.Error("what nobody can tell is not labelled")
	}
}
