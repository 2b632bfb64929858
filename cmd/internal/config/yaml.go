package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxConfigBytes is what a ConfigMap of Kubernetes holds (1 MiB), and with it
	// any configuration.
	MaxConfigBytes = 1 << 20
	// maxConfigValues is what one file may unfold to by its anchors: a million bytes
	// without any hold fewer, as do 500 segments and a thousand labels by far.
	maxConfigValues = 100_000
	// maxMerges is how deep << may lead from block to block, itself included.
	maxMerges = 16
)

var tooManyValues = fmt.Sprintf("makes more than %d values by its anchors: the rest is not read", maxConfigValues)

// document is the one YAML document of a file; nil when it is empty, or no YAML.
// Empty ones, as after a last ---, do not count.
func (l *loader) document(text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var found *yaml.Node
	for {
		var next yaml.Node
		switch err := decoder.Decode(&next); {
		case errors.Is(err, io.EOF):
			return found
		case err != nil:
			l.refuseYAML(text, err)
			return nil
		}
		root := next.Content[0]
		switch {
		case root.Kind == yaml.ScalarNode && root.Tag == "!!null" && root.Value == "":
		case found != nil:
			l.refuse(next.Line, "", "a second YAML document begins here; give each destination a file of its own")
			return nil
		default:
			found = root
		}
	}
}

// syntaxError is the form of the YAML library's messages. They say what is wrong
// with the text, and quote only the names of anchors.
var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// unknownAnchor is the library's message that names no line.
var unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

func (l *loader) refuseYAML(text []byte, err error) {
	line, message := 0, "unreadable"
	if parts := syntaxError.FindStringSubmatch(err.Error()); parts != nil {
		line, _ = strconv.Atoi(parts[1]) // "" is line 0, which is none
		message = parts[2]
	}
	if line == 0 {
		line = faultyLine(text, message)
	}
	if strings.Contains(message, "anchor") {
		// An unquoted password that begins with * or & looks like one.
		message = "an anchor is used that there is not: quote a value that begins with * or &"
	}
	l.refuse(line, "", "no YAML: "+message)
}

// faultyLine finds what the library does not tell the line of; where it can be
// anything else it is the first line, which the library counts as none.
func faultyLine(text []byte, message string) int {
	at := 0
	if parts := unknownAnchor.FindStringSubmatch(message); parts != nil {
		at = bytes.Index(text, []byte("*"+parts[1]))
	} else if strings.Contains(message, "character") || strings.Contains(message, "UTF-8") {
		at = bytes.IndexFunc(text, func(r rune) bool {
			return r == utf8.RuneError || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r > 0x7f && r < 0xa0 && r != 0x85
		})
	}
	return 1 + bytes.Count(text[:max(at, 0)], []byte("\n"))
}

// pair is a key of a block and its value.
type pair struct{ key, value *yaml.Node }

// pairs are what a block holds, with what << merges into it: of a key that is
// there more than once the block's own, else the first merged one.
func (l *loader) pairs(block *yaml.Node, path string) []pair {
	m := merging{loader: l, path: path, lines: map[string]int{}}
	m.add(block, 0)
	return m.pairs
}

// merging gathers the pairs of one block.
type merging struct {
	*loader
	path  string
	pairs []pair
	lines map[string]int // of the keys that are there
}

func (m *merging) add(block *yaml.Node, depth int) {
	var merged []*yaml.Node
	for i := 0; i+1 < len(block.Content); i += 2 {
		key, value := block.Content[i], block.Content[i+1]
		first, twice := m.lines[key.Value]
		switch {
		case key.Kind == yaml.ScalarNode && key.Tag == "!!merge":
			merged = append(merged, value)
		case !twice:
			m.lines[key.Value] = key.Line
			m.pairs = append(m.pairs, pair{key, value})
		case depth == 0:
			m.report(key.Line, below(m.path, key.Value), fmt.Sprintf("is given twice, first in line %d", first))
		}
	}
	for _, value := range merged {
		m.merge(value, depth+1)
	}
}

// merge adds the block, or the blocks of a list, that stand at a <<.
func (m *merging) merge(value *yaml.Node, depth int) {
	line := value.Line
	for value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	if m.values += 1 + len(value.Content)/2; m.values >= maxConfigValues {
		return // which reading the pairs, or the next value, reports
	}
	switch {
	case depth > maxMerges:
		m.report(line, m.path, fmt.Sprintf("<< leads over more than %d blocks", maxMerges))
	case value.Kind == yaml.MappingNode:
		m.add(value, depth)
	case value.Kind == yaml.SequenceNode:
		for _, block := range value.Content {
			m.merge(block, depth+1)
		}
	default:
		m.report(line, m.path, "<< takes a block, or a list of blocks: "+`an anchor's name, such as *common`)
	}
}
