package deadletters

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"kinesis-destination/schemas"
)

// mask stands for what is not shown.
const mask = "***"

// shownParts are the parts of an event that say nothing of a person but which
// segments they are in. Everything else is masked, in any schema.
var shownParts = []string{"eventId", "evaluatedAt", "mergePolicyId", "changed", "segmentMembership"}

// identityPart has namespaces as its keys, which say nothing of a person.
const identityPart = "identityMap"

// masked replaces the values in an event's other parts, and the keys of their maps,
// and keeps its order. null stays: that something is missing is often what is looked for.
func masked(event []byte, schema *schemas.Schema) []byte {
	decoder := json.NewDecoder(bytes.NewReader(event))
	decoder.UseNumber()
	m := masker{names: namesIn(schema.Root)}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return m.out.Bytes()
		}
		if err != nil {
			return nil // DecodeJSON writes no such thing
		}
		m.write(token)
	}
}

// masker writes JSON token by token.
type masker struct {
	names map[string]bool // that a schema gives: any other key is one of a map
	out   bytes.Buffer
	open  []bracket // those around
	part  string    // of the event
}

type bracket struct {
	of     json.Delim
	filled bool // something stands in it
	key    bool // a key comes next
	hidden int  // how many of its keys are masked
}

func (m *masker) write(token json.Token) {
	delim, isBracket := token.(json.Delim)
	if isBracket && (delim == '}' || delim == ']') {
		m.out.WriteRune(rune(delim))
		m.open = m.open[:len(m.open)-1]
		m.valueDone()
		return
	}
	var around *bracket
	if n := len(m.open); n > 0 {
		around = &m.open[n-1]
	}
	if around != nil && (around.key || around.of == '[') {
		if around.filled {
			m.out.WriteByte(',')
		}
		around.filled = true
	}
	switch {
	case isBracket:
		m.out.WriteRune(rune(delim))
		m.open = append(m.open, bracket{of: delim, key: delim == '{'})
	case around != nil && around.key:
		name, _ := token.(string)
		if len(m.open) == 1 {
			m.part = name
		}
		m.token(m.key(name, around))
		m.out.WriteByte(':')
		around.key = false
	default:
		if token != nil && !slices.Contains(shownParts, m.part) {
			token = mask
		}
		m.token(token)
		m.valueDone()
	}
}

// valueDone is called after each value: in an object, a key comes next.
func (m *masker) valueDone() {
	if n := len(m.open); n > 0 {
		m.open[n-1].key = m.open[n-1].of == '{'
	}
}

// key is a key as it is shown. Masked ones are numbered: no object has one twice.
func (m *masker) key(name string, around *bracket) string {
	namespace := m.part == identityPart && !slices.ContainsFunc(m.open, func(b bracket) bool { return b.of == '[' })
	if m.names[name] || namespace || slices.Contains(shownParts, m.part) {
		return name
	}
	if around.hidden++; around.hidden == 1 {
		return mask
	}
	return fmt.Sprintf("%s %d", mask, around.hidden)
}

func (m *masker) token(token json.Token) {
	text, err := json.Marshal(token)
	if err != nil {
		text = []byte("null") // a token always has a JSON form
	}
	m.out.Write(text)
}

// namesIn are the names of fields, and of the types that a union may be, which stand
// beside its value.
func namesIn(root *schemas.Type) map[string]bool {
	names, seen := map[string]bool{}, map[*schemas.Type]bool{}
	for next := []*schemas.Type{root}; len(next) > 0; {
		t := next[len(next)-1]
		next = next[:len(next)-1]
		if t == nil || seen[t] {
			continue
		}
		seen[t] = true
		if t.Name != "" {
			names[t.Name] = true
		} else {
			names[t.Kind.String()] = true
		}
		for i := range t.Fields {
			names[t.Fields[i].Name] = true
			next = append(next, t.Fields[i].Type)
		}
		next = append(append(next, t.Items), t.Union...)
	}
	return names
}
