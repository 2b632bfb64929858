package web

import "testing"

func TestTwoFieldsOfASchemaHaveTwoPlacesInThePage(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"attribute-a.b", "attribute-a_b", "attribute-ab", "action-a b", "action-a/b", "action-ab", `action-"><script>`, "action-ñ", "action-n"} {
		id := fieldID(name)
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s are both at %s", name, other, id)
		}
		seen[id] = name
		for _, r := range id {
			if r >= 128 || r == '"' || r == ' ' || r == '<' {
				t.Errorf("%s is at %s", name, id)
			}
		}
	}
}
