package transform

import (
	"bytes"
	"strings"
	"testing"

	"kinesis-destination/schemas"
)

// repeatedEvent is an event of segment A with these consents and identities. Avro has room for
// a key more than once.
func repeatedEvent(t *testing.T, config Config, consents, identities string, edit func([]byte) []byte) (Decision, error) {
	t.Helper()
	s := mustSchema(t, schemas.SegmentEvaluation)
	text := `{"eventId":"e","evaluatedAt":1,"profileId":"p","mergePolicyId":"m","changed":null,"attributes":{},` +
		`"segmentMembership":{"ups":{"A":{"lastQualificationTime":1,"status":"realized"}}},"identityMap":` + identities + `,"consents":{"map":` + consents + `}}`
	event := mustEvent(t, s, []byte(text))
	if edit != nil {
		event.Body = edit(event.Body)
	}
	return mustPlan(t, config, s).Apply(nil, event, Source{})
}

// TestEveryValueOfAConsentCounts (rule 28): whichever of them a reader takes, none may be one
// that forbids.
func TestEveryValueOfAConsentCounts(t *testing.T) {
	config := Config{Activation: Activation{Segments: []Segment{{ID: "A"}}}}
	config.Governance.Consent.Mode = ConsentEnforce
	for _, c := range []struct {
		path, stated string
		given        bool
	}{
		{"share", "y", true},
		{"share", "y y y", true},
		{"share", "y n", false},
		{"share", "n y", false},
		{"share", "y n y", false},
		{"share", "y y n y y", false},
		{"share", "y other y", false},
		{"marketing.any", "y n y", false},
		{"marketing.any", "y y", true}, // which fills in for a channel
	} {
		needed := c.path
		if needed == "marketing.any" {
			needed = "marketing.email"
		}
		config.Governance.Consent.Require = map[string][]string{needed: {"y"}}
		var members []string
		for value := range strings.FieldsSeq(c.stated) {
			members = append(members, `"`+c.path+`":"`+value+`"`)
		}
		d, err := repeatedEvent(t, config, "{"+strings.Join(members, ",")+"}", "{}", nil)
		if given := d.Reason != ReasonConsentExit; given != c.given || err != nil {
			t.Errorf("%s stated as %s: given %t, %v", c.path, c.stated, given, err)
		}
	}
}

// TestKeysThatAreWrittenAlikeAreTwiceTheSame: a reader of the record would lose one of them.
func TestKeysThatAreWrittenAlikeAreTwiceTheSame(t *testing.T) {
	config := Config{Activation: Activation{Segments: []Segment{{ID: "A"}}}}
	d, err := repeatedEvent(t, config, "{}", `{"X1X":[{"id":"1"}],"X2X":[{"id":"2"}]}`, func(body []byte) []byte {
		return bytes.Replace(bytes.Replace(body, []byte("X1X"), []byte("X\xfeX"), 1), []byte("X2X"), []byte("X\xffX"), 1)
	})
	if d.Outcome != Reject || d.Reason != ReasonDuplicateKey || err == nil {
		t.Errorf("%v %s, %v: %s", d.Outcome, d.Reason, err, d.Data)
	}
	d, err = repeatedEvent(t, config, "{}", `{"X1X":[{"id":"1"}],"X2X":[{"id":"2"}]}`, func(body []byte) []byte {
		return bytes.Replace(body, []byte("X1X"), []byte("X\xfeX"), 1)
	})
	if d.Outcome != Export || err != nil {
		t.Errorf("one alone: %v %s, %v", d.Outcome, d.Reason, err)
	}
}
