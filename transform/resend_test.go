package transform

import "testing"

func TestADocumentWithoutItsResendIsTheOneThatWasSentFirst(t *testing.T) {
	for with, want := range map[string]string{
		`{"a":1,"_source":{"topic":"t","offset":1,"resend":"replay.x"}}`: `{"a":1,"_source":{"topic":"t","offset":1}}`,
		`{"a":1,"_source":{"topic":"t","offset":1}}`:                     `{"a":1,"_source":{"topic":"t","offset":1}}`,
		`{"a":{"b":1,"resend":"x"}}`:                                     `{"a":{"b":1,"resend":"x"}}`,
	} {
		if got := string(WithoutResend([]byte(with))); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
