package config

import (
	"regexp"
	"strings"
)

// reference is a reference to the environment in a value: ${NAME}, or
// ${NAME:-default} for where the variable is unset or empty.
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^{}$]*)?\}`)

// bareName is what shells take for a reference too: $NAME, by its capitals, or a
// value that is nothing else.
var bareName = regexp.MustCompile(`\$[A-Z_][A-Z0-9_]+(?:[^A-Za-z0-9_]|$)|^\$[A-Za-z_][A-Za-z0-9_]*$`)

// What is said of what looks like a reference and is none. It does not quote it,
// which may be a part of a secret.
const (
	noReference = "holds a ${ that begins no reference: write ${NAME} or ${NAME:-default}, with a NAME of letters, digits and _; where it belongs to the value, put the value into a variable or a file (file://)"
	noBareName  = "holds a variable as $NAME: write ${NAME}; where the $ belongs to the value, put the value into a variable or a file (file://)"
)

// expandReferences puts in what a text takes from the environment. What comes from
// there is taken as it stands.
func expandReferences(text string, lookup func(name string) (string, bool)) (expanded string, mistakes []string) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	var b strings.Builder
	rest, strange, bare := 0, false, false
	plain := func(part string) {
		strange = strange || strings.Contains(part, "${")
		bare = bare || bareName.MatchString(part)
		b.WriteString(part)
	}
	for _, at := range reference.FindAllStringSubmatchIndex(text, -1) {
		plain(text[rest:at[0]])
		rest = at[1]
		name := text[at[2]:at[3]]
		value, set := lookup(name)
		switch {
		case at[4] >= 0 && value == "":
			value = text[at[4]+len(":-") : at[5]]
		case !set:
			mistakes = append(mistakes, "the environment variable "+name+" is not set")
		}
		b.WriteString(value)
	}
	plain(text[rest:])
	if strange {
		mistakes = append(mistakes, noReference)
	}
	if bare {
		mistakes = append(mistakes, noBareName)
	}
	return b.String(), mistakes
}
