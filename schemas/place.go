package schemas

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxNameShown is how many bytes of a name out of a schema or an answer stand in an error: names are short, and a
	// hostile one of a mebibyte would be copied into every log line and dead letter.
	maxNameShown = 64

	// maxTextShown bounds a place or a cause in an error as a whole.
	maxTextShown = 512
)

// place is where something stands in a schema. It becomes text only when an error needs it: texts for every type of a
// schema took gigabytes under a long name.
type place struct {
	up    *place
	name  string // of a field, or what an array holds: "items"
	list  string // before an index: ".fields", or nothing for a union's branches
	index int    // with no name
	key   bool   // the name is that of a map's entry
}

func (p *place) field(name string) *place { return &place{up: p, name: name} }

func (p *place) item(list string, index int) *place { return &place{up: p, list: list, index: index} }

func (p *place) entry(key string) *place { return &place{up: p, name: key, key: true} }

// String is the place as a path, cut where it is long.
func (p *place) String() string {
	var steps []string
	for ; p != nil; p = p.up {
		switch {
		case p.up == nil:
			steps = append(steps, p.name)
		case p.key:
			steps = append(steps, fmt.Sprintf("[%q]", shown(p.name)))
		case p.name != "":
			steps = append(steps, "."+shown(p.name))
		default:
			steps = append(steps, fmt.Sprintf("%s[%d]", p.list, p.index))
		}
	}
	var b strings.Builder
	for _, step := range slices.Backward(steps) {
		b.WriteString(step)
	}
	return cutAt(b.String(), maxTextShown)
}

// shown is a name as errors have it.
func shown(name string) string { return cutAt(name, maxNameShown) }

// cutAt cuts a text behind a whole character, and shows that it did.
func cutAt(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// cutError has the text of an error, cut; it is still the error.
type cutError struct{ err error }

func (e *cutError) Error() string { return cutAt(e.err.Error(), maxTextShown) }
func (e *cutError) Unwrap() error { return e.err }
