package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"kinesis-destination/schemas/credentials"
	"kinesis-destination/schemas/suggest"

	"go.yaml.in/yaml/v3"
)

// fromFile begins a value that is read from a file.
const fromFile = "file://"

// readScalar reads a single value. No message quotes it: it may be a secret.
func (l *loader) readScalar(node *yaml.Node, to reflect.Value, path string) {
	switch {
	case node.Kind != yaml.ScalarNode:
		l.refuse(node.Line, path, "must be a single value")
		return
	case node.Style&yaml.TaggedStyle != 0:
		l.refuse(node.Line, path, "must not have a YAML tag: quote a value that begins with !")
		return
	}
	value, tag := node.Value, node.Tag
	expanded, file, ok := l.expand(node, path)
	if !ok {
		return
	}
	if to.Type() == secretType {
		// The end of a line came with the value: no secret has one, nor a second line.
		expanded = strings.TrimRight(expanded, "\r\n")
		if strings.ContainsFunc(expanded, unicode.IsControl) {
			l.refuse(node.Line, path, "holds a line break or another control character")
			return
		}
		if expanded != "" {
			to.Set(reflect.ValueOf(Secret(expanded, file)))
		}
		return
	}
	if expanded != value {
		value, tag = expanded, "" // it decides anew what it is
	}
	if to.Kind() == reflect.String {
		if strings.HasSuffix(path, "File") {
			value = l.relative(value)
		}
		to.SetString(value)
		return
	}
	resolved := yaml.Node{Kind: yaml.ScalarNode, Value: value, Tag: tag}
	if err := resolved.Decode(to.Addr().Interface()); err != nil {
		l.refuse(node.Line, path, "must be "+kindOf(to.Type()))
	}
}

// secretType is what a key has that may change while the process runs.
var secretType = reflect.TypeFor[func() (string, error)]()

// Secret gives a value as it is now: one of a file is read each time, so that
// what is rotated on disk needs no restart.
func Secret(value, file string) credentials.Secret {
	if file == "" {
		return func() (string, error) { return value, nil }
	}
	return func() (string, error) {
		value, err := readValue(file)
		switch {
		case err != nil:
			return "", errors.New("the file of the value cannot be read: " + plainPathError(file, err))
		case strings.ContainsFunc(value, unicode.IsControl):
			return "", errors.New("the file of the value holds a line break or another control character: " + file)
		}
		return value, nil
	}
}

// expand puts in what a value takes from the environment or from a file, which
// it names.
func (l *loader) expand(node *yaml.Node, path string) (value, file string, ok bool) {
	if l.literal {
		return node.Value, "", true
	}
	value, mistakes := expandReferences(node.Value, os.LookupEnv)
	for _, mistake := range mistakes {
		l.refuse(node.Line, path, mistake)
	}
	file, isFile := strings.CutPrefix(value, fromFile)
	if len(mistakes) > 0 || !isFile {
		return value, "", len(mistakes) == 0
	}
	file = l.relative(file)
	l.reads = append(l.reads, file)
	value, err := readValue(file)
	if err != nil {
		l.refuse(node.Line, path, "the file of the value cannot be read: "+plainPathError(file, err))
		return "", "", false
	}
	return value, file, true
}

// relative is a file's name seen from the folder of the configuration.
func (l *loader) relative(name string) string {
	if name == "" || filepath.IsAbs(name) || l.literal {
		return name
	}
	return filepath.Join(filepath.Dir(l.file), name)
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 100ms, 30s or 720h"
	case t == reflect.TypeFor[time.Time]():
		return "a time as of RFC 3339, such as 2026-01-31T12:00:00Z"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a number"
}

// CollectFields maps yaml keys to the fields that they set, through inlined structs.
func CollectFields(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if strings.Contains(options, "inline") {
			CollectFields(v.Field(i), fields)
		} else if name != "" && name != "-" {
			fields[name] = v.Field(i)
		}
	}
}

// nearest is the known key that name surely stands for; empty when there is none.
func nearest(name string, fields map[string]reflect.Value) string {
	return suggest.Close(name, slices.Sorted(maps.Keys(fields)))
}
