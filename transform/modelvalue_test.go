package transform

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// attributes puts the mapped attributes into the record.
func (m *model) attributes(record object, attributes typed) {
	for _, path := range m.config.Activation.Attributes {
		if m.forbidden(path) {
			continue
		}
		at := attributes
		names := strings.Split(path, ".")
		for _, name := range names {
			at = m.get(at, name)
		}
		if o, ok := at.schema.(object); ok && at.value != nil && !m.config.Activation.AllowCollections &&
			(o["type"] == "array" || o["type"] == "map") {
			panic(problem(ReasonCollection))
		}
		value, ok := m.json(at)
		if !ok {
			continue
		}
		into := record
		for _, name := range names[:len(names)-1] {
			if into[name] == nil {
				into[name] = object{}
			}
			into = into[name].(object)
		}
		into[names[len(names)-1]] = value
	}
}

// json is a value in JSON; false when there is none.
func (m *model) json(t typed) (any, bool) {
	kind, logical, o := describe(t.schema)
	switch {
	case t.value == nil:
		return nil, false
	case kind == "record":
		out := object{}
		for _, f := range o["fields"].([]any) {
			name := f.(object)["name"].(string)
			if value, ok := m.json(m.get(t, name)); ok {
				out[name] = value
			}
		}
		return out, len(out) > 0
	case kind == "array":
		if !m.config.Activation.AllowCollections {
			return nil, false
		}
		out := []any{}
		m.items(t, func(item typed) {
			value, ok := m.json(item)
			if k, _, _ := describe(item.schema); !ok && k == "record" && item.value != nil {
				value = object{}
			}
			out = append(out, value)
		})
		return out, true
	case kind == "map":
		if !m.config.Activation.AllowCollections {
			return nil, false
		}
		out := object{}
		m.entries(t, func(key string, value typed) {
			if value, ok := m.json(value); ok {
				out[key] = value
			}
		})
		return out, true
	}
	return scalar(t.value, logical, o), true
}

func describe(schema any) (kind, logical string, o object) {
	if name, ok := schema.(string); ok {
		return name, "", nil
	}
	o = schema.(object)
	logical, _ = o["logicalType"].(string)
	return o["type"].(string), logical, o
}

func scalar(value any, logical string, o object) any {
	switch v := value.(type) {
	case string, bool:
		return v
	case int32:
		return number(v)
	case int64:
		switch logical {
		case "timestamp-nanos", "local-timestamp-nanos":
			return zone(time.Unix(0, v), logical)
		case "local-timestamp-millis":
			return zone(time.UnixMilli(v), logical)
		case "local-timestamp-micros":
			return zone(time.UnixMicro(v), logical)
		}
		return number(v)
	case float32:
		return float(float64(v), 32)
	case float64:
		return float(v, 64)
	case []byte:
		if logical == "uuid" {
			return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
		}
		return base64.StdEncoding.EncodeToString(v)
	case *big.Rat:
		scale, _ := o["scale"].(int)
		return json.Number(v.FloatString(scale))
	case time.Time:
		if logical == "date" {
			return zone(v, logical)[:len("2006-01-02")]
		}
		return zone(v, logical)
	case time.Duration:
		if v < 0 || v >= 24*time.Hour {
			panic(problem(ReasonTimeOutOfRange))
		}
		return fractional(time.Unix(0, 0).Add(v), "15:04:05")
	}
	return nil
}

// moment is a value that is a time, as rule 18 has it.
func (m *model) moment(t typed) (any, bool) {
	if n, ok := t.value.(int32); ok {
		return zone(time.UnixMilli(int64(n)), ""), true
	}
	if n, ok := t.value.(int64); ok && (t.schema == "long") {
		return zone(time.UnixMilli(n), ""), true
	}
	return m.json(t)
}

func zone(at time.Time, logical string) string {
	at = at.UTC()
	if at.Year() < 0 || at.Year() > 9999 {
		panic(problem(ReasonTimeOutOfRange))
	}
	text := fractional(at, "2006-01-02T15:04:05")
	if strings.HasPrefix(logical, "local-") {
		return text
	}
	return text + "Z"
}

func fractional(at time.Time, layout string) string {
	text := at.UTC().Format(layout + ".000000000")
	for strings.HasSuffix(text, "000") && strings.Contains(text, ".") {
		text = strings.TrimSuffix(text[:len(text)-3], ".")
	}
	return text
}

func float(f float64, bits int) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		panic(problem(ReasonNotANumber))
	}
	var text []byte
	if bits == 32 {
		text, _ = json.Marshal(float32(f))
	} else {
		text, _ = json.Marshal(f)
	}
	return json.Number(text)
}

// violated says whether a mapped path may not be exported.
func (m *model) violated() bool {
	return slices.ContainsFunc(m.config.Activation.Attributes, m.forbidden)
}

// forbidden says whether C12 is on a path, above it, or on what is exported below it.
func (m *model) forbidden(path string) bool {
	for labelled := range m.config.Governance.FieldLabels {
		if under(path, labelled) || under(labelled, path) {
			return true
		}
	}
	for _, f := range m.root["fields"].([]any) {
		if f := f.(object); f["name"] == "attributes" && m.labelled(f["type"], strings.Split(path, "."), map[string]bool{}) {
			return true
		}
	}
	return false
}

func (m *model) labelled(schema any, rest []string, seen map[string]bool) bool {
	if name, ok := schema.(string); ok && m.names[name] != nil {
		schema = m.names[name]
	}
	if branches, ok := schema.([]any); ok {
		return slices.ContainsFunc(branches, func(branch any) bool { return m.labelled(branch, rest, seen) })
	}
	kind, _, o := describe(schema)
	switch kind {
	case "record":
		name := o["name"].(string) + strconv.Itoa(len(rest))
		if seen[name] {
			return false
		}
		seen[name] = true
		for _, f := range o["fields"].([]any) {
			f := f.(object)
			if len(rest) > 0 && f["name"] != rest[0] {
				continue
			}
			labels, _ := f["labels"].([]any)
			if slices.Contains(labels, any("C12")) || m.labelled(f["type"], rest[min(1, len(rest)):], seen) {
				return true
			}
		}
	case "array", "map":
		if len(rest) == 0 && m.config.Activation.AllowCollections {
			inner := o["items"]
			if kind == "map" {
				inner = o["values"]
			}
			return m.labelled(inner, nil, seen)
		}
	}
	return false
}

// normal is the record with the names and texts as JSON has them.
func normal(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for key, value := range v {
			out[valid(key)] = normal(value)
		}
		return out
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case string:
		return valid(v)
	}
	return v
}

// valid replaces each byte that is no UTF-8 by U+FFFD.
func valid(s string) string {
	var out []rune
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		out, s = append(out, r), s[size:]
	}
	return string(out)
}
