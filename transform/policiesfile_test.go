package transform

import (
	"strings"
	"testing"
)

func TestAPoliciesFileIsOneDocumentInAnyOfYAMLsForms(t *testing.T) {
	const text = "marketingActions:\n  - &a {name: partnerShare}\n  - {<<: *a, name: resale}\n"
	for name, text := range map[string]string{
		"a byte order mark": "\ufeff" + text, "a last ---": text + "---\n", "a first ---": "---\n" + text + "---\n# nothing\n---\n", "CRLF": strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		if c, err := ParsePolicies([]byte(text), Catalog{}); err != nil || len(c.MarketingActions) != 2 || c.MarketingActions[1].Name != "resale" {
			t.Errorf("%s: %+v, %v", name, c.MarketingActions, err)
		}
	}
	for more, want := range map[string]string{"---\npolicies: []\n": "line 4: a second YAML document", "---\n}\n": "line"} {
		if _, err := ParsePolicies([]byte(text+more), Catalog{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", more, err)
		}
	}
}

func TestAPoliciesFileBeyondItsLimitIsNotRead(t *testing.T) {
	g := Governance{PoliciesFile: "/dev/zero"}
	if _, err := g.Catalog(); err == nil || !strings.Contains(err.Error(), "/dev/zero is larger than 1048576 bytes") {
		t.Errorf("%v", err)
	}
}

func TestEachMistakeOfAPoliciesFileHasItsOwnLineAndKey(t *testing.T) {
	for text, want := range map[string]string{
		`marketingActions:
  - {name: partnerShare}
  - name: partnerShare
policies:
  - name: custom/a
    status: on
    marketingActions: [partnerShar]
    deny:
      operator: AND
      operands:
        - {label: C2}
        - {operator: XOR}
`: `line 3: marketingActions[1].name: partnerShare is there already
line 6: policies[0].status: must be one of draft, enabled, disabled
line 7: policies[0].marketingActions: unknown action "partnerShar" (did you mean partnerShare?)
line 12: policies[0].deny.operands[1]: needs a label, or an operator that is AND or OR`,
		"policies:\n  - {name: a, stats: on}\n  - {name: b, denied: 1}\nactions: []\n": `line 2: policies[0].stats: unknown key "stats"
line 3: policies[1].denied: unknown key "denied"
line 4: actions: unknown key "actions"`,
	} {
		_, err := ParsePolicies([]byte(text), Catalog{})
		if err == nil || err.Error() != want {
			t.Errorf("%s\nmistakes:\n%v\nexpected:\n%s", text, err, want)
		}
	}
}
