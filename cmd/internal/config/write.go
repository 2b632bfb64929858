package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Write is a configuration as a file that [Parse] reads to the same one. Keys that are
// left empty are left out. Of a secret it holds a reference to the environment that is
// named after the key, never the value. The error names the key whose value no file
// can hold: one that would be taken for a reference.
func Write(c *Config) ([]byte, error) {
	w := writer{}
	root := w.block(reflect.ValueOf(*c), "")
	if w.err != nil {
		return nil, w.err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return text.Bytes(), encoder.Close()
}

type writer struct{ err error }

func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// node is a value; nil where it is empty.
func (w *writer) node(v reflect.Value, path string) *yaml.Node {
	switch {
	case v.Type() == secretType:
		if v.IsNil() {
			return nil
		}
		return scalar("!!str", "${"+variable(path)+"}")
	case v.Type() == reflect.TypeFor[time.Time]():
		return scalar("!!timestamp", v.Interface().(time.Time).Format(time.RFC3339Nano))
	case v.IsZero():
		return nil
	case v.Type() == reflect.TypeFor[time.Duration]():
		return scalar("!!str", v.Interface().(time.Duration).String())
	}
	switch v.Kind() {
	case reflect.Pointer:
		return w.node(v.Elem(), path)
	case reflect.Struct:
		return w.block(v, path)
	case reflect.Slice:
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			at := fmt.Sprintf("%s[%d]", path, i)
			item := w.node(v.Index(i), at)
			if item == nil {
				item = scalar("!!str", "")
			}
			list.Content = append(list.Content, item)
		}
		return list
	case reflect.Map:
		block := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			if item := w.node(v.MapIndex(key), below(path, key.String())); item != nil {
				block.Content = append(block.Content, w.text(key.String(), path), item)
			}
		}
		return block
	case reflect.Bool:
		return scalar("!!bool", strconv.FormatBool(v.Bool()))
	case reflect.String:
		return w.text(v.String(), path)
	}
	return scalar("!!int", fmt.Sprint(v.Interface()))
}

func (w *writer) text(value, path string) *yaml.Node {
	if _, mistakes := expandReferences(value, func(string) (string, bool) { return "", true }); len(mistakes) > 0 || reference.MatchString(value) || strings.HasPrefix(value, fromFile) {
		if w.err == nil {
			w.err = Problem{Path: path, Message: "would be taken for a reference to the environment or a file, where a $ or file:// begins one: no file can hold it"}
		}
	}
	return scalar("!!str", value)
}

func (w *writer) block(v reflect.Value, path string) *yaml.Node {
	block := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	w.fields(v, path, block)
	if len(block.Content) == 0 && path != "" {
		return nil
	}
	return block
}

func (w *writer) fields(v reflect.Value, path string, into *yaml.Node) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			w.fields(v.Field(i), path, into)
		case name != "" && name != "-":
			if value := w.node(v.Field(i), below(path, name)); value != nil {
				into.Content = append(into.Content, scalar("!!str", name), value)
			}
		}
	}
}

// variable is the name of the environment variable that a secret is taken from:
// that of its key, in capitals, such as KINESIS_ACCESS_KEY_ID.
func variable(path string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "target."), "source.")
	path = strings.Replace(path, "credentials.", "", 1)
	var b strings.Builder
	for i, r := range path {
		switch {
		case r == '.':
			b.WriteByte('_')
		case unicode.IsUpper(r) && i > 0:
			b.WriteByte('_')
			b.WriteRune(r)
		default:
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return b.String()
}
