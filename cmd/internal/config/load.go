package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"kinesis-destination/schemas/smallfile"
)

// Load reads a destination's file. The error is Problems, all of the file's
// mistakes at once, where the file could be read.
func Load(file string) (Config, error) {
	text, err := smallfile.Read(file, MaxConfigBytes)
	if err != nil {
		return Config{}, Problems{{File: file, Message: "cannot be read: " + bareError(err)}}
	}
	return Parse(file, text)
}

// Parse is Load with the file's text at hand; file names it in problems, and
// relative paths in it are relative to file's folder.
func Parse(file string, text []byte) (Config, error) {
	var config Config
	l := loader{file: file, lines: map[string]int{}, unread: map[string]bool{}, reads: []string{file}}
	if root := l.document(text); root != nil {
		l.read(root, reflect.ValueOf(&config).Elem(), "")
	}
	config.origin = origin{file: file, lines: l.lines, reads: l.reads}
	if !l.unread[""] {
		config.defaults()
		config.validate(func(path, message string) {
			if !l.covered(path) {
				l.report(config.origin.line(path), path, message)
			}
		})
	}
	if policies := config.Governance.PoliciesFile; policies != "" {
		config.origin.reads = append(config.origin.reads, policies)
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	for _, m := range config.Governance.Mistakes() {
		if len(l.problems) < maxProblems {
			l.problems = append(l.problems, Problem(m))
		}
	}
	if len(l.problems) > 0 {
		return config, l.problems
	}
	return config, nil
}

// origin is where a configuration comes from.
type origin struct {
	file  string
	lines map[string]int // where each key path stands
	reads []string       // the files whose content is part of it
}

// line is where path stands, or else the nearest block around it.
func (o *origin) line(path string) int {
	for ; path != ""; path = parent(path) {
		if line, ok := o.lines[path]; ok {
			return line
		}
	}
	return 0
}

// parent is the path of the block or list that path is in.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// loader walks the YAML tree beside the values that it is to become: yaml's own
// strictness stops at the first mistake of a kind and names no key path. Of a
// value that has a mistake nothing is kept, and nothing more is said of it.
type loader struct {
	file     string
	lines    map[string]int
	unread   map[string]bool // the paths of what could not be read
	reads    []string
	literal  bool // nothing is a reference to the environment or a file
	values   int  // how many were read so far
	full     bool
	problems Problems
}

// maxProblems is how many mistakes are told at once: more are those of a file of
// another kind.
const maxProblems = 100

func (l *loader) report(line int, path, message string) {
	if len(l.problems) == maxProblems {
		return
	}
	l.problems = append(l.problems, Problem{File: l.file, Line: line, Path: path, Message: message})
}

// refuse reports that what stands at path cannot be read.
func (l *loader) refuse(line int, path, message string) {
	l.unread[path] = true
	l.report(line, path, message)
}

// covered tells whether path lies in what could not be read: that would also be
// said to be missing.
func (l *loader) covered(path string) bool {
	for ; path != ""; path = parent(path) {
		if l.unread[path] {
			return true
		}
	}
	return false
}

func (l *loader) read(node *yaml.Node, to reflect.Value, path string) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if l.values++; l.values >= maxConfigValues {
		if !l.full {
			l.full = true
			l.refuse(node.Line, path, tooManyValues)
		}
		return
	}
	if node.Tag == "!!null" {
		return // left empty: the default
	}
	if to.Kind() == reflect.Pointer {
		to.Set(reflect.New(to.Type().Elem()))
		to = to.Elem()
	}
	switch {
	case to.Kind() == reflect.Struct && to.Type() != reflect.TypeFor[time.Time]():
		fields := map[string]reflect.Value{}
		CollectFields(to, fields)
		l.readBlock(node, fields, path)
	case to.Kind() == reflect.Slice:
		l.readList(node, to, path)
	case to.Kind() == reflect.Map:
		l.readMap(node, to, path)
	default:
		l.readScalar(node, to, path)
	}
}

const notABlock = "must be a block of keys and values"

func (l *loader) readBlock(node *yaml.Node, fields map[string]reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		l.refuse(node.Line, path, notABlock)
		return
	}
	for _, e := range l.pairs(node, path) {
		at := below(path, e.key.Value)
		if field, known := fields[e.key.Value]; known {
			l.lines[at] = e.key.Line
			l.read(e.value, field, at)
		} else {
			l.unknownKey(node, e.key, e.value, fields, path)
		}
	}
}

// unknownKey reports a key that there is not. It quotes the key, which is none
// where a comma in a secret was taken for the end of the value.
func (l *loader) unknownKey(block, key, value *yaml.Node, fields map[string]reflect.Value, path string) {
	if block.Style&yaml.FlowStyle != 0 && value.Tag == "!!null" && value.Value == "" {
		l.report(key.Line, path, "holds an entry without a value: quote a value that holds a comma")
		return
	}
	message := "unknown key"
	if meant := nearest(key.Value, fields); meant != "" {
		message += "; did you mean " + meant + "?"
		l.unread[below(path, meant)] = true
	}
	l.report(key.Line, below(path, key.Value), message)
}

func below(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

func (l *loader) readList(node *yaml.Node, to reflect.Value, path string) {
	if node.Kind != yaml.SequenceNode {
		l.refuse(node.Line, path, "must be a list")
		return
	}
	to.Set(reflect.MakeSlice(to.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		l.lines[at] = item.Line
		l.read(item, to.Index(i), at)
	}
}

func (l *loader) readMap(node *yaml.Node, to reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		l.refuse(node.Line, path, notABlock)
		return
	}
	to.Set(reflect.MakeMap(to.Type()))
	for _, e := range l.pairs(node, path) {
		at := path + "." + e.key.Value
		l.lines[at] = e.key.Line
		value := reflect.New(to.Type().Elem()).Elem()
		l.read(e.value, value, at)
		to.SetMapIndex(reflect.ValueOf(e.key.Value), value)
	}
}
