package api

import "testing"

// An error of the API is logged, and shown as the reason why a flow is refused.
func TestAnErrorSaysWhatIsWrongWithoutItsTitle(t *testing.T) {
	if said := Refuse(CodeNotFound, "there is no flow %q", "one").Error(); said != `there is no flow "one"` {
		t.Errorf("it says %s", said)
	}
}
