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
