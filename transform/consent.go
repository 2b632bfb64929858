package transform

import (
	"strings"

	"kinesis-destination/schemas"
)

// consentValues are the values that a consent can have.
var consentValues = []string{"y", "n", "p", "u", "dy", "dn", "LI", "CT", "CP", "VI", "PI"}

const (
	consentAny       = "marketing.any"
	consentMarketing = "marketing."
	consentYes       = "y"
	consentNo        = "n"
)

// requirement is one consent that an event needs.
type requirement struct {
	path     string
	accepted map[string]bool
}

func requirements(require map[string][]string) []requirement {
	var list []requirement
	for path, values := range sorted(require) {
		accepted := map[string]bool{}
		for _, value := range values {
			accepted[value] = true
		}
		list = append(list, requirement{path, accepted})
	}
	return list
}

// consents says whether the event has every consent that is required.
func (j *evaluation) consents() bool {
	return len(j.plan.rules.consent) == 0 || len(j.unmetConsents()) == 0
}

// unmetConsents are the paths of the required consents that the event does not give. A key that is there twice counts
// as given only if both are.
func (j *evaluation) unmetConsents() []string {
	var unmet []string
	all := j.givenConsent(consentAny)
	for _, needed := range j.plan.rules.consent {
		given := j.givenConsent(needed.path)
		if strings.HasPrefix(needed.path, consentMarketing) && needed.path != consentAny {
			given = overridden(given, all)
		}
		if !given.within(needed.accepted) {
			unmet = append(unmet, needed.path)
		}
	}
	return unmet
}

// overridden applies what a profile says about all marketing to one channel: no overrides, yes fills in.
func overridden(given, all consentGiven) consentGiven {
	switch {
	case all.says(consentNo):
		return consentGiven{n: 1, values: [2]string{consentNo}}
	case given.n == 0 && all.within(map[string]bool{consentYes: true}):
		return consentGiven{n: 1, values: [2]string{consentYes}}
	default:
		return given
	}
}

// consentGiven is what an event says about one consent: the first and the last of its values.
type consentGiven struct {
	n      int
	values [2]string
}

func (g consentGiven) within(accepted map[string]bool) bool {
	switch g.n {
	case 0:
		return false
	case 1:
		return accepted[g.values[0]]
	default:
		return accepted[g.values[0]] && accepted[g.values[1]]
	}
}

func (g consentGiven) says(value string) bool {
	return g.n > 0 && g.values[0] == value || g.n > 1 && g.values[1] == value
}

func (j *evaluation) givenConsent(path string) consentGiven {
	var given consentGiven
	t := j.shape.types[roleConsents]
	if t == nil {
		return given
	}
	c := j.c.At(j.result.at[roleConsents])
	if t = c.Branch(t); t.Kind != schemas.Map {
		return given
	}
	for b := (schemas.Blocks{}); !j.watch.ended(1) && c.Next(t, &b); {
		key, value := c.Bytes(), text(&c, t.Items)
		if view(key) != path || value == "" {
			continue
		}
		if given.n < len(given.values) {
			given.n++
		}
		given.values[given.n-1] = value
	}
	return given
}
