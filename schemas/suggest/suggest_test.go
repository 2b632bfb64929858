package suggest

import "testing"

func TestWhatWasMeantIsSuggested(t *testing.T) {
	regions := []string{"us-east-1", "us-east-2", "eu-west-1"}
	mechanisms := []string{"plain", "scram-sha-256", "scram-sha-512"}
	paths := []string{"person", "person.name", "person.name.firstName", "person.email", "personalEmail", "personalEmail.address", "loyalty.tier", "loyal"}
	for _, c := range []struct {
		word  string
		known []string
		want  string
	}{
		{"us-east1", regions, "us-east-1"},
		{"us-esat-1", regions, "us-east-1"},
		{"PLAIN", mechanisms, "plain"},
		{"SCRAM-SHA-512", mechanisms, "scram-sha-512"},
		{"person.nam", paths, "person.name"}, // before all that it is the prefix of
		{"person.e", paths, "person.email"},
		{"personalEmail.addr", paths, "personalEmail.address"},
		{"loyalty.ti", paths, "loyalty.tier"},
		{"personal", paths, "personalEmail"}, // which begins with it; person takes two changes, personalEmail five
		{"email", paths, "person.email"},
		{"firstName", paths, "person.name.firstName"},
		{"person.emial", paths, "person.email"},
		{"zzzzzz", paths, ""},
		{"", nil, ""},
	} {
		if got := Near(c.word, c.known); got != c.want {
			t.Errorf("%q: %q, not %q", c.word, got, c.want)
		}
	}
}

func TestWhatIsOnlySimilarIsNotSurelyMeant(t *testing.T) {
	if got := Close("colour", []string{"color-of", "clock"}); got != "" {
		t.Errorf("%q", got)
	}
	if got := Close("brokrs", []string{"brokers"}); got != "brokers" {
		t.Errorf("%q", got)
	}
}
