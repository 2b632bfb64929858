package schemas

import (
	"errors"
	"slices"
	"strings"

	"kinesis-destination/schemas/suggest"
)

// Mistakes is all that does not fit a schema in a text, in the order of the schema; of very much the first.
type Mistakes []error

// maxMistakes is how many are kept: more are not read at once.
const maxMistakes = 20

func (m Mistakes) Error() string {
	said := make([]string, len(m))
	for i, err := range m {
		said[i] = err.Error()
	}
	return strings.Join(said, "; ")
}

// Unwrap gives each of them.
func (m Mistakes) Unwrap() []error { return m }

// with adds an error, or all that an error consists of.
func (m Mistakes) with(err error) Mistakes {
	more, several := errors.AsType[Mistakes](err)
	if !several {
		more = Mistakes{err}
	}
	m = append(m, more...)
	return slices.Clip(m[:min(len(m), maxMistakes)])
}

// meant suggests a field of a record for a name that it has not.
func (t *Type) meant(name string) string {
	names := make([]string, len(t.Fields))
	for i := range t.Fields {
		names[i] = t.Fields[i].Name
	}
	meant := suggest.Close(name, names)
	if meant == "" {
		return ""
	}
	return " (did you mean " + shown(meant) + "?)"
}
