package consumer

import (
	"slices"
	"strings"
	"testing"
)

// An address that nobody can listen on is a mistake in the file, and no outage.
func TestABrokersAddressHasAHostAndAPort(t *testing.T) {
	for address, good := range map[string]bool{
		"kafka-1:9092": true, "[::1]:65535": true,
		"kafka-1": false, ":9092": false, "kafka-1:": false, "kafka-1:0": false, "kafka-1:65536": false, "kafka-1:-1": false, "::1:9092": false,
	} {
		var mistakes []string
		c := Config{Brokers: []string{address}}
		c.Validate(func(path, message string) { mistakes = append(mistakes, path+": "+message) })
		bad := slices.ContainsFunc(mistakes, func(m string) bool { return strings.HasPrefix(m, "brokers: ") })
		if bad == good {
			t.Errorf("%s: %q", address, mistakes)
		}
	}
}
