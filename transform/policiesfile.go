package transform

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// PolicyMistake is one mistake in a policies file.
type PolicyMistake struct {
	File    string // empty: of a text that is in none
	Line    int    // 0: not known
	Path    string // of the key; empty: of the file as a whole
	Message string
}

// PolicyMistakes are all of a policies file.
type PolicyMistakes []PolicyMistake

// Error lists the mistakes, a line each.
func (ms PolicyMistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		var at []string
		switch {
		case m.File != "" && m.Line > 0:
			at = append(at, fmt.Sprintf("%s:%d", m.File, m.Line))
		case m.File != "":
			at = append(at, m.File)
		case m.Line > 0:
			at = append(at, fmt.Sprintf("line %d", m.Line))
		}
		if m.Path != "" {
			at = append(at, m.Path)
		}
		lines[i] = strings.Join(append(at, m.Message), ": ")
	}
	return strings.Join(lines, "\n")
}

// Mistakes are those inside the policies file; none where it cannot be read.
func (g *Governance) Mistakes() PolicyMistakes {
	_, err := g.Catalog()
	mistakes, _ := errors.AsType[PolicyMistakes](err)
	return mistakes
}

// inFile names the file of mistakes.
func inFile(name string, err error) error {
	mistakes, ok := errors.AsType[PolicyMistakes](err)
	if !ok {
		return err
	}
	for i := range mistakes {
		mistakes[i].File = name
	}
	return mistakes
}

// furtherDocument refuses a second document, which would be passed over. An empty one, as after a last ---, is none.
func furtherDocument(decoder *yaml.Decoder) error {
	for {
		var next yaml.Node
		switch err := decoder.Decode(&next); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return plainYAML(err, nil)
		}
		if root := next.Content[0]; root.Kind != yaml.ScalarNode || root.Tag != "!!null" || root.Value != "" {
			return PolicyMistakes{{Line: next.Line, Message: "a second YAML document begins here: put all policies into one"}}
		}
	}
}

// ParsePolicies reads a policies file that stands beside what is known already. The error is PolicyMistakes.
func ParsePolicies(text []byte, known Catalog) (Catalog, error) {
	var c Catalog
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return c, plainYAML(err, nil)
	}
	lines := map[string]int{}
	if len(root.Content) > 0 {
		noteLines(root.Content[0], "", lines)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, plainYAML(err, lines)
	}
	if err := furtherDocument(decoder); err != nil {
		return c, err
	}
	if mistakes := c.mistakes(known, lines); len(mistakes) > 0 {
		return c, mistakes
	}
	return c, nil
}

// mistakes are those of a catalog beside what is known; lines are where its keys stand.
func (c *Catalog) mistakes(known Catalog, lines map[string]int) (found PolicyMistakes) {
	report := func(item, message string) { // which begins with the key, and a colon
		key, message, _ := strings.Cut(message, ": ")
		path := item + "." + key
		found = append(found, PolicyMistake{Line: lineNear(lines, path), Path: path, Message: message})
	}
	actions := known.actionNames()
	for i, action := range c.MarketingActions {
		item := fmt.Sprintf("marketingActions[%d]", i)
		if action.Name == "" {
			report(item, "name: required")
		} else if slices.Contains(actions, action.Name) {
			report(item, fmt.Sprintf("name: %s is there already", action.Name))
		}
		actions = append(actions, action.Name)
	}
	names := known.policyNames()
	for i, policy := range c.Policies {
		item := fmt.Sprintf("policies[%d]", i)
		if slices.Contains(names, policy.Name) || len(known.Policies) > 0 && policy.Core() {
			report(item, fmt.Sprintf("name: %s is there already, or a name of the platform's own", policy.Name))
		}
		names = append(names, policy.Name)
		policy.Check(actions, func(message string) { report(item, message) })
	}
	return found
}

// noteLines notes where the keys and items of a document stand. What stands behind an
// alias, stands elsewhere.
func noteLines(node *yaml.Node, path string, lines map[string]int) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := strings.TrimPrefix(path+"."+node.Content[i].Value, ".")
			lines[key] = node.Content[i].Line
			noteLines(node.Content[i+1], key, lines)
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			lines[at] = item.Line
			noteLines(item, at, lines)
		}
	}
}

// lineNear is where a key stands, or else what is around it.
func lineNear(lines map[string]int, path string) int {
	for ; path != ""; path = path[:max(strings.LastIndexAny(path, ".["), 0)] {
		if line, ok := lines[path]; ok {
			return line
		}
	}
	return 0
}

var (
	atLine  = regexp.MustCompile(`^line (\d+): `)
	goTypes = regexp.MustCompile(`field (\S+) not found in type \S+`)
)

// plainYAML makes mistakes of what the YAML library says, without Go's types, which mean
// nothing to who wrote the file.
func plainYAML(err error, lines map[string]int) PolicyMistakes {
	said := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if all, ok := errors.AsType[*yaml.TypeError](err); ok {
		said = all.Errors
	}
	var found PolicyMistakes
	for _, text := range said {
		var m PolicyMistake
		if at := atLine.FindStringSubmatch(text); at != nil {
			m.Line, _ = strconv.Atoi(at[1])
			text = text[len(at[0]):]
		}
		m.Message = goTypes.ReplaceAllString(text, `unknown key "$1"`)
		key := goTypes.FindStringSubmatch(text)
		for path, line := range sorted(lines) {
			if line == m.Line && key != nil && strings.HasSuffix("."+path, "."+key[1]) {
				m.Path = path
			}
		}
		found = append(found, m)
	}
	return found
}
