package schemas

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// primitiveSizes is the fewest bytes that a value of each primitive kind can have.
var primitiveSizes = [...]int{Null: 0, Boolean: 1, Int: 1, Long: 1, Float: 4, Double: 8, Bytes: 1, String: 1}

// maxFixedSize bounds a fixed: no message holds more.
const maxFixedSize = 1 << 30

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// definition reads a type that has a name, and makes the name known before its fields are read: it may contain itself.
func (p *parser) definition(kind string, node map[string]any, namespace, path string) (*Type, error) {
	name, _ := node["name"].(string)
	own, stated := node["namespace"].(string)
	if !stated {
		own = namespace
	}
	full := qualified(name, own)
	for part := range strings.SplitSeq(full, ".") {
		if !namePattern.MatchString(part) {
			return nil, fmt.Errorf("%s: %q is no name for a type", path, full)
		}
	}
	if p.names[full] != nil {
		return nil, fmt.Errorf("%s: type %s is defined twice", path, full)
	}
	inner := full[:max(strings.LastIndexByte(full, '.'), 0)]
	t := &Type{Name: full}
	p.names[full] = t
	var err error
	switch kind {
	case "enum":
		t.Kind, t.minSize = Enum, 1
		t.Symbols, err = symbols(node, path)
	case "fixed":
		t.Kind = Fixed
		t.Size, err = integer(node, "size", path)
		if t.minSize = t.Size; err == nil && (t.Size < 1 || t.Size > maxFixedSize) {
			err = fmt.Errorf("%s: size of a fixed must be positive", path)
		}
	default:
		t.Kind = Record
		err = p.fields(t, node, inner, path)
	}
	p.all = append(p.all, t)
	return t, err
}

func (p *parser) fields(t *Type, node map[string]any, namespace, path string) error {
	list, ok := node["fields"].([]any)
	if !ok {
		return fmt.Errorf("%s: a record has \"fields\"", path)
	}
	seen := map[string]bool{}
	for i, item := range list {
		at := fmt.Sprintf("%s.fields[%d]", path, i)
		object, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: a field is an object", at)
		}
		field := Field{Aliases: stringList(object["aliases"])}
		field.Name, _ = object["name"].(string)
		if !namePattern.MatchString(field.Name) || seen[field.Name] {
			return fmt.Errorf("%s: %q is no name for a field, or there twice", at, field.Name)
		}
		seen[field.Name] = true
		var err error
		if field.Labels, err = labels(object, at); err != nil {
			return err
		}
		if field.Type, err = p.parse(fieldType(object), namespace, path+"."+field.Name); err != nil {
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
func labels(node map[string]any, path string) ([]string, error) {
	switch value := node["labels"].(type) {
	case nil:
		return nil, nil
	case string:
		return []string{value}, nil
	case []any:
		if list := stringList(value); len(list) == len(value) {
			return list, nil
		}
	}
	return nil, fmt.Errorf("%s: labels must be a list of strings", path)
}

func symbols(node map[string]any, path string) ([]string, error) {
	list := stringList(node["symbols"])
	seen := map[string]bool{}
	for _, symbol := range list {
		if seen[symbol] {
			return nil, fmt.Errorf("%s: symbol %q is there twice", path, symbol)
		}
		seen[symbol] = true
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

func integer(node map[string]any, key, path string) (int, error) {
	number, ok := node[key].(json.Number)
	if ok {
		if n, err := strconv.Atoi(number.String()); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s: %q must be a whole number", path, key)
}
