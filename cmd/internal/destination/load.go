package destination

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Load reads a destination's file. The error is Problems, all of the file's
// mistakes at once, where the file could be read.
func Load(file string) (Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Config{}, Problems{{File: file, Message: "cannot be read: " + errors.Unwrap(err).Error()}}
	}
	return Parse(file, text)
}

// Parse is Load with the file's text at hand; file names it in problems, and
// relative paths in it are relative to file's folder.
func Parse(file string, text []byte) (Config, error) {
	var config Config
	l := loader{file: file, lines: map[string]int{}}
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		l.report(0, "", yamlMessage(err))
		return config, l.problems
	}
	if len(document.Content) > 0 {
		l.visit(document.Content[0], reflect.TypeFor[Config](), "")
		if len(l.problems) == 0 {
			if err := document.Decode(&config); err != nil {
				l.report(0, "", yamlMessage(err))
			}
		}
	}
	if len(l.problems) > 0 && reflect.ValueOf(config).IsZero() {
		// What could not be read would also be said to be missing.
		return config, l.sorted()
	}
	config.defaults()
	config.validate(func(path, message string) { l.report(l.line(path), path, message) })
	if len(l.problems) > 0 {
		return config, l.sorted()
	}
	return config, nil
}

// yamlMessage drops the library's prefix; its message names the line.
func yamlMessage(err error) string { return strings.TrimPrefix(err.Error(), "yaml: ") }

// loader walks the YAML tree beside the types that it is to become: yaml's own
// strictness stops at the first mistake of a kind and names no key path.
type loader struct {
	file     string
	lines    map[string]int // where each key path stands
	problems Problems
}

func (l *loader) report(line int, path, message string) {
	l.problems = append(l.problems, Problem{File: l.file, Line: line, Path: path, Message: message})
}

func (l *loader) sorted() Problems {
	slices.SortStableFunc(l.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return l.problems
}

// line is where path stands, or else the nearest block around it.
func (l *loader) line(path string) int {
	for path != "" {
		if line, ok := l.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

func (l *loader) visit(node *yaml.Node, t reflect.Type, path string) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if node.Tag == "!!null" {
		return // left empty: the default
	}
	switch {
	case t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]():
		l.visitStruct(node, t, path)
	case t.Kind() == reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			l.report(node.Line, path, "must be a list")
			return
		}
		for i, item := range node.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			l.lines[at] = item.Line
			l.visit(item, t.Elem(), at)
		}
	case t.Kind() == reflect.Map:
		if node.Kind != yaml.MappingNode {
			l.report(node.Line, path, "must be a block of keys and values")
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			at := path + "." + node.Content[i].Value
			l.lines[at] = node.Content[i].Line
			l.visit(node.Content[i+1], t.Elem(), at)
		}
	default:
		l.visitScalar(node, t, path)
	}
}

func (l *loader) visitStruct(node *yaml.Node, t reflect.Type, path string) {
	if node.Kind != yaml.MappingNode {
		l.report(node.Line, path, "must be a block of keys and values")
		return
	}
	fields := map[string]reflect.Type{}
	collectFields(t, fields)
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		field, known := fields[key.Value]
		switch {
		case !known:
			l.report(key.Line, at, "unknown key"+nearest(key.Value, fields))
			continue
		case seen[key.Value]:
			l.report(key.Line, at, "is given twice")
			continue
		}
		seen[key.Value] = true
		l.lines[at] = key.Line
		l.visit(node.Content[i+1], field, at)
	}
}

// collectFields maps yaml keys to types, through inlined structs.
func collectFields(t reflect.Type, fields map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if strings.Contains(options, "inline") {
			collectFields(f.Type, fields)
		} else if name != "" {
			fields[name] = f.Type
		}
	}
}

// nearest suggests the known key that differs from name in case or little else.
func nearest(name string, fields map[string]reflect.Type) string {
	for known := range fields {
		if strings.EqualFold(known, name) || strings.EqualFold(known, strings.TrimSuffix(name, "s")) ||
			strings.EqualFold(strings.TrimSuffix(known, "s"), name) {
			return "; did you mean " + known + "?"
		}
	}
	return ""
}

// variable is a reference to the environment in a value.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

func (l *loader) visitScalar(node *yaml.Node, t reflect.Type, path string) {
	if node.Kind != yaml.ScalarNode {
		l.report(node.Line, path, "must be a single value")
		return
	}
	if variable.MatchString(node.Value) {
		node.Value = variable.ReplaceAllStringFunc(node.Value, func(reference string) string {
			name := variable.FindStringSubmatch(reference)[1]
			value, ok := os.LookupEnv(name)
			if !ok {
				l.report(node.Line, path, "the environment variable "+name+" is not set")
			}
			return value
		})
		node.Tag = "" // the value decides anew what it is
	}
	if name, ok := strings.CutPrefix(node.Value, "file://"); ok {
		content, err := os.ReadFile(name)
		if err != nil {
			l.report(node.Line, path, "cannot read the value's file: "+err.Error())
			return
		}
		node.Value, node.Tag = strings.TrimRight(string(content), "\r\n"), "!!str"
	}
	if t.Kind() == reflect.String {
		node.Tag = "!!str"
		if strings.HasSuffix(path, "File") && node.Value != "" && !filepath.IsAbs(node.Value) {
			node.Value = filepath.Join(filepath.Dir(l.file), node.Value)
		}
		return
	}
	if err := node.Decode(reflect.New(t).Interface()); err != nil {
		l.report(node.Line, path, "must be "+kindOf(t))
	}
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
