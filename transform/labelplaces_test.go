package transform

import (
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
