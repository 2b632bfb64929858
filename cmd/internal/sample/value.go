package sample

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/schemas"
)

func sortedKeys(m map[string][]string) []string { return slices.Sorted(maps.Keys(m)) }

// mapped tells whether a path is mapped, leads to one that is, or lies below one.
func (w *writer) mapped(path string) bool {
	return slices.ContainsFunc(w.g.cfg.Activation.Attributes, func(attribute string) bool {
		return attribute == path || path == "" || strings.HasPrefix(attribute, path+".") || strings.HasPrefix(path, attribute+".")
	})
}

// value writes a value as its type says, believable by the name that ends its
// path. What is mapped is always there; of the rest some is not.
func (w *writer) value(t *schemas.Type, path string, depth int) {
	if w.nodes++; w.nodes > maxNodes {
		w.raw("null") // the event is given up
		return
	}
	switch t.Kind {
	case schemas.Union:
		w.union(t, path, depth)
	case schemas.Record:
		w.record(t, func(f *schemas.Field) { w.value(f.Type, strings.TrimPrefix(path+"."+f.Name, "."), depth+1) })
	case schemas.Array:
		w.raw("[")
		if depth < maxDepth {
			w.value(t.Items, path, depth+1)
		}
		w.raw("]")
	case schemas.Map:
		w.raw("{")
		if depth < maxDepth {
			w.string(w.g.oneOf(words))
			w.raw(":")
			w.value(t.Items, path, depth+1)
		}
		w.raw("}")
	case schemas.Null:
		w.raw("null")
	case schemas.Boolean:
		w.raw(strconv.FormatBool(w.g.random.IntN(2) == 0))
	case schemas.Int, schemas.Long:
		w.number(t, path)
	case schemas.Float, schemas.Double:
		w.text = strconv.AppendFloat(w.text, float64(w.g.random.IntN(10_000))/100, 'f', -1, 64)
	case schemas.Enum:
		w.string(w.g.oneOf(t.Symbols))
	case schemas.String:
		w.string(w.word(t, path))
	case schemas.Bytes, schemas.Fixed:
		w.bytes(t)
	}
}

func (w *writer) union(t *schemas.Type, path string, depth int) {
	alternatives := t.Alternatives()
	optional := len(alternatives) < len(t.Union)
	absent := optional && (depth >= maxDepth || !w.mapped(path) && w.g.random.IntN(100) < 40)
	if len(alternatives) == 0 || absent {
		w.raw("null")
		return
	}
	w.branch(t, alternatives[0], func(t *schemas.Type) { w.value(t, path, depth) })
}

// number writes a time, a day, or a quantity.
func (w *writer) number(t *schemas.Type, path string) {
	switch t.Logical {
	case schemas.LogicalNone, schemas.Decimal, schemas.UUID:
	case schemas.Date: // of birth, as most are
		w.time(t, time.Date(1960+w.g.random.IntN(45), time.Month(1+w.g.random.IntN(12)), 1+w.g.random.IntN(28), 0, 0, 0, 0, time.UTC))
		return
	default:
		w.time(t, w.g.now().Add(-time.Duration(w.g.random.IntN(1000))*time.Hour))
		return
	}
	if strings.Contains(strings.ToLower(lastOf(path)), "point") {
		w.integer(w.profile.points)
		return
	}
	w.integer(int64(w.g.random.IntN(100)))
}

// bytes writes a decimal's digits, or any bytes, each as a character.
func (w *writer) bytes(t *schemas.Type) {
	raw := []byte{byte(w.g.random.IntN(256)), byte(w.g.random.IntN(256))}
	if t.Logical == schemas.Decimal {
		raw = big.NewInt(int64(w.g.random.IntN(10_000))).Bytes()
		if len(raw) == 0 || raw[0] > 0x7f { // it would be below 0
			raw = slices.Insert(raw, 0, 0)
		}
	}
	if t.Kind == schemas.Fixed {
		for len(raw) < t.Size {
			raw = slices.Insert(raw, 0, 0)
		}
		raw = raw[len(raw)-t.Size:]
	}
	if last := len(raw) - 1; t.Logical == schemas.Decimal && last >= 0 && raw[last] < 0x40 {
		raw[last] |= 0x40 // a text that ends in a digit may be refused, as a number in quotes
	}
	var text strings.Builder
	for _, b := range raw {
		text.WriteRune(rune(b))
	}
	w.string(text.String())
}

func lastOf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// word is a text that the name of its field lets expect.
func (w *writer) word(t *schemas.Type, path string) string {
	p, name := w.profile, strings.ToLower(path)
	if t.Logical == schemas.UUID {
		return fmt.Sprintf("%08x-0000-4000-8000-%012x", w.profileNumber(), w.g.random.Uint64()>>16)
	}
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(name, word) })
	}
	switch {
	case has("email"):
		return strings.ToLower(p.first+"."+p.last) + "." + strconv.Itoa(w.profileNumber()) + "@example.com"
	case has("firstname", "givenname", "forename"):
		return p.first
	case has("lastname", "surname", "familyname"):
		return p.last
	case has("phone", "mobile"):
		return fmt.Sprintf("+3100000%05d", w.profileNumber())
	case has("country"):
		return w.g.oneOf(countries)
	case has("city", "town"):
		return w.g.oneOf(leads.Cities)
	case has("postal", "zip"):
		return fmt.Sprintf("%04d", 1000+w.g.random.IntN(9000))
	case has("street", "address"):
		return fmt.Sprintf("%s street %d", w.g.oneOf(leads.LastNames), 1+w.g.random.IntN(99))
	case has("tier", "level"):
		return w.g.oneOf(tiers)
	case has("company", "organi", "employer", "account"):
		return w.g.oneOf(companies)
	case has("name"):
		return p.first + " " + p.last
	case strings.HasSuffix(name, "at") || has("date", "time"):
		return w.g.now().UTC().Format(time.RFC3339)
	}
	return w.g.oneOf(words)
}
