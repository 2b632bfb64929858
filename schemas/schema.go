package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// What is wrong with a message that cannot be decoded. Each is the message's own fault: no other message is worse off
// for it, and reading it again later gives the same. Any other error of this package is not about the message.
var (
	ErrMalformed     = errors.New("malformed")
	ErrUnknownSchema = errors.New("unknown schema")
	ErrInvalidSchema = errors.New("invalid schema")
)

// IsMessageFault says that an error is about the message that was decoded, and will be the same the next time.
func IsMessageFault(err error) bool {
	return errors.Is(err, ErrMalformed) || errors.Is(err, ErrUnknownSchema) || errors.Is(err, ErrInvalidSchema)
}

// maxSchemaNodes bounds how large a schema may be, in type references.
const maxSchemaNodes = 50_000

// maxSchemaDepth bounds how deep type definitions may nest in each other.
const maxSchemaDepth = 128

// Parse reads a schema's text. The error is ErrInvalidSchema and says where.
func Parse(text []byte) (*Schema, error) { return parse(text, nil) }

// parse reads a schema that may use the named types of others, which come first.
func parse(text []byte, references [][]byte) (*Schema, error) {
	p := parser{names: map[string]*Type{}}
	for _, reference := range references {
		if _, err := p.document(reference); err != nil {
			return nil, fmt.Errorf("%w: referenced schema: %w", ErrInvalidSchema, err)
		}
	}
	root, err := p.document(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidSchema, err)
	}
	p.measure()
	for _, t := range p.all {
		t.compile()
	}
	s := &Schema{Text: string(text), Origin: "the schema", Root: root}
	if err := s.verify(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidSchema, err)
	}
	return s, nil
}

// parser builds the tree of one schema. Names are known from where they are defined on, as Avro has it.
type parser struct {
	names map[string]*Type
	all   []*Type // every type, inner ones first
	depth int
	nodes int
}

func (p *parser) document(text []byte) (*Type, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var node any
	if err := decoder.Decode(&node); err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("parse JSON: text after the schema")
	}
	return p.parse(node, "", "schema")
}

// parse reads a type: a name, a list (a union), or an object. path says where, namespace is the enclosing one.
func (p *parser) parse(node any, namespace, path string) (*Type, error) {
	if p.nodes++; p.nodes > maxSchemaNodes {
		return nil, fmt.Errorf("more than %d types", maxSchemaNodes)
	}
	if p.depth++; p.depth > maxSchemaDepth {
		return nil, fmt.Errorf("%s: nested deeper than %d", path, maxSchemaDepth)
	}
	defer func() { p.depth-- }()
	switch node := node.(type) {
	case string:
		return p.named(node, namespace, path)
	case []any:
		return p.union(node, namespace, path)
	case map[string]any:
		return p.object(node, namespace, path)
	default:
		return nil, fmt.Errorf("%s: a type is a name, a list or an object", path)
	}
}

var primitives = map[string]Kind{
	"null": Null, "boolean": Boolean, "int": Int, "long": Long, "float": Float, "double": Double, "bytes": Bytes, "string": String,
}

func (p *parser) named(name, namespace, path string) (*Type, error) {
	if kind, ok := primitives[name]; ok {
		t := &Type{Kind: kind, minSize: primitiveSizes[kind]}
		p.all = append(p.all, t)
		return t, nil
	}
	if t := p.names[qualified(name, namespace)]; t != nil {
		return t, nil
	}
	if t := p.names[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%s: unknown type %q", path, name)
}

func (p *parser) union(branches []any, namespace, path string) (*Type, error) {
	t := &Type{Kind: Union}
	seen := map[string]bool{}
	for i, node := range branches {
		branch, err := p.parse(node, namespace, fmt.Sprintf("%s[%d]", path, i))
		if err != nil {
			return nil, err
		}
		name := branch.branchName()
		if branch.Kind == Union || seen[name] {
			return nil, fmt.Errorf("%s: a union holds no union, and no type twice (%s)", path, name)
		}
		seen[name] = true
		t.Union = append(t.Union, branch)
	}
	if len(t.Union) == 0 {
		return nil, fmt.Errorf("%s: a union has at least one branch", path)
	}
	p.all = append(p.all, t)
	return t, nil
}

// branchName is what Avro JSON calls the type as a branch of a union.
func (t *Type) branchName() string {
	if t.Name != "" {
		return t.Name
	}
	return t.Kind.String()
}

func (p *parser) object(node map[string]any, namespace, path string) (*Type, error) {
	kind, ok := node["type"].(string)
	if !ok {
		if node["type"] == nil {
			return nil, fmt.Errorf("%s: a type without \"type\"", path)
		}
		return p.parse(node["type"], namespace, path) // {"type": {"type": …}}
	}
	var t *Type
	var err error
	switch kind {
	case "array", "map":
		t, err = p.collection(kind, node, namespace, path)
	case "record", "error", "enum", "fixed":
		t, err = p.definition(kind, node, namespace, path)
	default:
		if t, err = p.named(kind, namespace, path); err == nil && t.Name != "" {
			// A reference; its properties are where it was defined. A label here would be lost, and that unseen.
			if node["labels"] != nil {
				return nil, fmt.Errorf("%s: labels belong on the field or the definition, not on a reference to %s", path, t.Name)
			}
			return t, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if t.Labels, err = labels(node, path); err != nil {
		return nil, err
	}
	return t, logical(t, node, path)
}

func (p *parser) collection(kind string, node map[string]any, namespace, path string) (*Type, error) {
	t, of := &Type{Kind: Array, minSize: 1}, "items"
	if kind == "map" {
		t, of = &Type{Kind: Map, minSize: 1}, "values"
	}
	var err error
	t.Items, err = p.parse(node[of], namespace, path+"."+of)
	p.all = append(p.all, t)
	return t, err
}

// qualified is the full name that a name stands for in a namespace.
func qualified(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}
