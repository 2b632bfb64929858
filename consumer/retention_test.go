package consumer

import (
	"testing"
	"time"
)

func TestATopicKeepsWhatItsSettingsSay(t *testing.T) {
	for _, c := range []struct {
		policy, milliseconds string
		want                 time.Duration
	}{
		{"delete", "604800000", 7 * 24 * time.Hour},
		{"compact,delete", "1000", time.Second},
		{"compact", "1000", 0},
		{"delete", "-1", 0},
		{"", "1000", time.Second},
		{"delete", "", 0},
		{"delete", "9223372036854775807", time.Duration(1<<63-1) / time.Millisecond * time.Millisecond},
	} {
		if got := keptFor(c.policy, c.milliseconds); got != c.want {
			t.Errorf("%s, %s: %v, wanted %v", c.policy, c.milliseconds, got, c.want)
		}
	}
}
