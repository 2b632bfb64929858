package web_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/follow"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

func catalogOf(t *testing.T, lang string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("messages/" + lang + "*.json")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some map[string]string
		if err := json.Unmarshal(text, &some); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for key, said := range some {
			if _, twice := texts[key]; twice {
				t.Errorf("%s: %q is in another file, too", file, key)
			}
			texts[key] = said
		}
	}
	return texts
}

// Every text is there in every language, with the same places for what it is about.
func TestEveryTextIsThereInEveryLanguage(t *testing.T) {
	en, es := catalogOf(t, "en"), catalogOf(t, "es")
	place := regexp.MustCompile(`\{\d\}`)
	for key, text := range en {
		other, ok := es[key]
		if !ok {
			t.Errorf("es.json has no %q", key)
			continue
		}
		a, b := place.FindAllString(text, -1), place.FindAllString(other, -1)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			t.Errorf("%q: %v and %v stand for something", key, a, b)
		}
		if strings.TrimSpace(other) == "" {
			t.Errorf("es.json: %q is empty", key)
		}
	}
	for key := range es {
		if _, ok := en[key]; !ok {
			t.Errorf("en.json has no %q", key)
		}
	}
}

// Every key that a template or the code names is there, and every text is named.
func TestEveryTextThatIsNamedIsThere(t *testing.T) {
	en := catalogOf(t, "en")
	used := map[string]bool{}
	named := regexp.MustCompile(`(?:\bt |\bn |"(?:Label|Help)" |p\.t\(|p\.n\()"([a-zA-Z0-9.+-]+)"`)
	made := regexp.MustCompile(`(?:\bt |\bn )\(print "([a-zA-Z0-9.+-]+)"`)
	var prefixes []string
	var all strings.Builder
	for _, pattern := range []string{"templates/*.html", "*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
			for _, found := range named.FindAllStringSubmatch(string(text), -1) {
				key := found[1]
				if strings.HasSuffix(key, ".") {
					prefixes = append(prefixes, key)
					continue
				}
				used[key] = true
				_, plain := en[key]
				_, counted := en[key+".one"]
				if !plain && !counted {
					t.Errorf("%s names %q, which is in no catalogue", file, key)
				}
			}
			for _, found := range made.FindAllStringSubmatch(string(text), -1) {
				prefixes = append(prefixes, found[1])
			}
		}
	}
	for key := range en {
		bare := strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
		if used[bare] || used[key] || strings.Contains(all.String(), `"`+bare+`"`) ||
			slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) }) {
			continue
		}
		t.Errorf("nothing names %q", key)
	}
}

// A reason that a flow or a dead letter may have is said in a sentence, in every
// language.
func TestEveryReasonIsSaidInASentence(t *testing.T) {
	en := catalogOf(t, "en")
	holds := []string{
		sink.HoldUnreachable, sink.HoldUnavailable, sink.HoldCredentials, sink.HoldStreamMissing, sink.HoldStreamNotActive, sink.HoldKeysIgnored,
		sink.HoldDeadLetterTopic, sink.HoldParkingFull, sink.HoldExhausted, sink.HoldConfiguration, sink.HoldUnknown, sink.HoldClockSkew, rules.HoldRegistry, rules.HoldViolation,
		consumer.ReasonUnreachable, consumer.ReasonTLS, consumer.ReasonAuthentication, consumer.ReasonAccessDenied, consumer.ReasonTopicMissing, consumer.ReasonOutOfRange,
		consumer.ReasonGroupProtocol, consumer.ReasonCorrupt, consumer.ReasonTooLarge, consumer.ReasonKafka, rules.ReasonTombstone,
		follow.ReasonTooMany, destination.ReasonConfiguration, destination.ReasonEnded, destination.ReasonDisabled,
	}
	for _, reason := range []transform.Reason{
		transform.ReasonConsentExit, transform.ReasonUnmappedSegment, transform.ReasonUnmappedAttribute, transform.ReasonNotInMappedSegment, transform.ReasonNothingChanged, transform.ReasonConsent,
	} {
		holds = append(holds, string(reason))
	}
	for _, reason := range slices.Concat(holds, rules.LetterReasons) {
		if en["reason."+reason] == "" {
			t.Errorf("no text says %q", reason)
		}
	}
}
