package transform

import (
	"slices"
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

// consentGiven is what an event says about one consent: a bit for each value in consentValues,
// and one for all others.
type consentGiven uint16

// consentOf is the bit of a value.
func consentOf(value string) consentGiven {
	if i := slices.Index(consentValues, value); i >= 0 {
		return 1 << i
	}
	return 1 << len(consentValues)
}

// within says that there is a value, and none but accepted ones.
func (g consentGiven) within(accepted consentGiven) bool { return g != 0 && g&^accepted == 0 }

// requirement is one consent that an event needs.
type requirement struct {
	path     string
	accepted consentGiven
}

func requirements(require map[string][]string) []requirement {
	var list []requirement
	for path, values := range sorted(require) {
		var accepted consentGiven
		for _, value := range values {
			accepted |= consentOf(value)
		}
		list = append(list, requirement{path, accepted})
	}
	return list
}

// consents says whether the event has every consent that is required.
func (j *evaluation) consents() bool {
	return len(j.plan.rules.consent) == 0 || len(j.unmetConsents()) == 0
}

// unmetConsents are the paths of the required consents that the event does not give. A key that is there more
// than once counts as given only if all of its values are.
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
	yes, no := consentOf(consentYes), consentOf(consentNo)
	switch {
	case all&no != 0:
		return no
	case given == 0 && all == yes:
		return yes
	}
	return given
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
		given |= consentOf(value)
	}
	return given
}
