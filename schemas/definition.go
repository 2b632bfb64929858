package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// primitiveSizes is the fewest bytes that a value of each primitive kind can have.
var primitiveSizes = [...]int{Null: 0, Boolean: 1, Int: 1, Long: 1, Float: 4, Double: 8, Bytes: 1, String: 1}

// maxFixedSize bounds a fixed: no message holds more.
const maxFixedSize = 1 << 30

// definition reads a type that has a name, and makes the name known before its fields are read: it may contain itself.
// What is in a name is not looked at: registries hold names that Avro's rules forbid, as Java did not check them for
// years, and bytes are read the same whatever a type is called.
func (p *parser) definition(kind string, node map[string]any, own []string, namespace string, path *place) (*Type, error) {
	name, _ := node["name"].(string)
	if stated, ok := node["namespace"].(string); ok {
		namespace = stated
	}
	if name == "" || len(namespace)+len(name) >= maxName {
		return nil, fmt.Errorf("%s: the name of a %s is missing, or with its namespace longer than %d bytes: %q", path, kind, maxName, shown(name))
	}
	full := qualified(name, namespace)
	inner := full[:max(strings.LastIndexByte(full, '.'), 0)]
	t := &Type{Name: full, Labels: own}
	known := p.names[full]
	if known == nil {
		p.names[full] = t
		p.open[t] = true
		defer delete(p.open, t)
	}
	var err error
	switch kind {
	case "enum":
		t.Kind, t.minSize = Enum, 1
		t.Symbols, err = symbols(node, path)
	case "fixed":
		t.Kind = Fixed
		t.Size, err = integer(node, "size")
		if t.minSize = t.Size; err != nil || t.Size < 0 || t.Size > maxFixedSize {
			return nil, fmt.Errorf("%s: size of a fixed must be a whole number from 0 to %d", path, maxFixedSize)
		}
	default:
		t.Kind = Record
		err = p.fields(t, node, inner, path)
	}
	if err != nil {
		return nil, err
	}
	logical(t, node)
	if known == nil {
		p.all = append(p.all, t)
		return t, nil
	}
	// A reference that comes by two ways defines its types twice, and the same.
	if p.open[known] || !known.same(t) {
		return nil, fmt.Errorf("%s: type %s is defined twice, and not the same", path, shown(full))
	}
	return known, nil
}

// same says whether two definitions of a name are read in the same way and carry the same labels. Types with names
// inside them are the same ones, as the first definition of each counts.
func (t *Type) same(other *Type) bool {
	if t == other {
		return true
	}
	return t.Kind == other.Kind && t.Name == other.Name && t.Logical == other.Logical && t.Scale == other.Scale && t.Size == other.Size &&
		slices.Equal(t.Labels, other.Labels) && slices.Equal(t.Symbols, other.Symbols) &&
		slices.EqualFunc(t.Fields, other.Fields, func(a, b Field) bool {
			return a.Name == b.Name && slices.Equal(a.Labels, b.Labels) && a.Type.sameInside(b.Type)
		}) &&
		(t.Items == nil) == (other.Items == nil) && (t.Items == nil || t.Items.sameInside(other.Items)) &&
		slices.EqualFunc(t.Union, other.Union, (*Type).sameInside)
}

// sameInside is same for types within: one with a name is itself alone.
func (t *Type) sameInside(other *Type) bool { return t == other || t.Name == "" && t.same(other) }

func (p *parser) fields(t *Type, node map[string]any, namespace string, path *place) error {
	list, ok := node["fields"].([]any)
	if !ok {
		return fmt.Errorf("%s: a record has \"fields\"", path)
	}
	seen := map[string]bool{}
	for i, item := range list {
		at := path.item(".fields", i)
		object, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: a field is an object", at)
		}
		field := Field{Aliases: stringList(object["aliases"])}
		field.Name, _ = object["name"].(string)
		if field.Name == "" || seen[field.Name] {
			return fmt.Errorf("%s: %q is no name for a field, or there twice", at, shown(field.Name))
		}
		seen[field.Name] = true
		var err error
		if field.Labels, err = labels(object, at); err != nil {
			return err
		}
		if field.Type, err = p.parse(fieldType(object), namespace, path.field(field.Name)); err != nil {
			return err
		}
		if preset, ok := object["default"]; ok {
			field.preset, err = json.Marshal(preset)
			if err != nil {
				return fmt.Errorf("%s: default: %w", at, err)
			}
		}
		t.Fields = append(t.Fields, field)
	}
	return nil
}

// fieldType is the type of a field. {"name": "tags", "type": "array", "items": …} is not Avro, but registries hold it
// and every parser reads it. A logical type beside the field's name, in contrast, has no meaning in Avro.
func fieldType(field map[string]any) any {
	switch field["type"] {
	case "array", "map":
		return map[string]any{"type": field["type"], "items": field["items"], "values": field["values"]}
	default:
		return field["type"]
	}
}

// labels reads the property "labels". One that cannot be read is an error: a label nobody sees protects nobody.
func labels(node map[string]any, path *place) ([]string, error) {
	var list []string
	switch value := node["labels"].(type) {
	case nil:
	case string:
		list = []string{value}
	case []any:
		if list = stringList(value); len(list) != len(value) {
			return nil, fmt.Errorf("%s: labels must be a list of strings", path)
		}
	default:
		return nil, fmt.Errorf("%s: labels must be a list of strings", path)
	}
	for _, label := range list {
		if len(label) > maxLabel {
			return nil, fmt.Errorf("%s: label %s is longer than %d bytes", path, shown(label), maxLabel)
		}
	}
	return list, nil
}

func symbols(node map[string]any, path *place) ([]string, error) {
	list := stringList(node["symbols"])
	seen := map[string]bool{}
	for _, symbol := range list {
		if seen[symbol] {
			return nil, fmt.Errorf("%s: symbol %q is there twice", path, shown(symbol))
		}
		seen[symbol] = true
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: an enum has \"symbols\"", path)
	}
	return list, nil
}

func stringList(node any) []string {
	var list []string
	items, _ := node.([]any)
	for _, item := range items {
		if s, ok := item.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

var errNoInteger = errors.New("no whole number")

func integer(node map[string]any, key string) (int, error) {
	if number, ok := node[key].(json.Number); ok {
		if n, err := strconv.Atoi(number.String()); err == nil {
			return n, nil
		}
	}
	return 0, errNoInteger
}
