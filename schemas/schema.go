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

// The bounds of a schema. Registries hold messages of the topic _schemas, of at most 1 MiB as Kafka comes; what is
// within the bounds is read in under a second and 300 MiB (TestASchemaCostsABoundedTimeAndMemory).
const (
	// maxSchemaText bounds the text of a schema with all that it refers to: four times what a registry holds of one.
	maxSchemaText = 4 << 20

	// maxSchemaNodes bounds how large a schema may be, in type references.
	maxSchemaNodes = 50_000

	// maxSchemaDepth bounds how deep types nest in each other, where they are defined or by their names.
	maxSchemaDepth = 128

	// maxPath bounds the dotted path of a field. Each byte of an event can write the names on the way to it: with the
	// depth of types, this is what bounds the time for an event (TestWhatAnEventCostsIsBoundedByItsBytes).
	maxPath = 2 << 10

	// maxName bounds the full name of a type, which stands at each of its uses.
	maxName = 1 << 10

	// maxLabel bounds a data usage label: the platform's own have three characters.
	maxLabel = 256
)

// byteOrderMark begins the files of some editors.
var byteOrderMark = []byte("\ufeff")

// Parse reads a schema's text. The error is ErrInvalidSchema and says where.
func Parse(text []byte) (*Schema, error) { return parse(text, nil) }

// parse reads a schema that may use the named types of others, which come first.
func parse(text []byte, references [][]byte) (*Schema, error) {
	size := len(text)
	for _, reference := range references {
		size += len(reference)
	}
	if size > maxSchemaText {
		return nil, fmt.Errorf("%w: its text is larger than %d bytes", ErrInvalidSchema, maxSchemaText)
	}
	p := parser{names: map[string]*Type{}, open: map[*Type]bool{}}
	for _, reference := range references {
		if _, err := p.document(reference); err != nil {
			return nil, fmt.Errorf("%w: referenced schema: %w", ErrInvalidSchema, err)
		}
	}
	root, err := p.document(text)
	if err == nil {
		err = p.measure()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidSchema, err)
	}
	room := maxInlinedOps
	for _, t := range p.all {
		t.compile(&room)
	}
	return &Schema{Text: string(text), Origin: "the schema", Root: root, size: p.size(size)}, nil
}

// parser builds the tree of one schema. Names are known from where they are defined on, as Avro has it.
type parser struct {
	names map[string]*Type
	open  map[*Type]bool // those whose definition is being read
	all   []*Type        // every type, inner ones first
	depth int
	nodes int
}

func (p *parser) document(text []byte) (*Type, error) {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, byteOrderMark)))
	decoder.UseNumber()
	var node any
	if err := decoder.Decode(&node); err != nil {
		return nil, fmt.Errorf("parse JSON: %w", &cutError{err})
	}
	if decoder.More() {
		return nil, errors.New("parse JSON: text after the schema")
	}
	return p.parse(node, "", &place{name: "schema"})
}

// parse reads a type: a name, a list (a union), or an object. path says where, namespace is the enclosing one.
func (p *parser) parse(node any, namespace string, path *place) (*Type, error) {
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

func (p *parser) named(name, namespace string, path *place) (*Type, error) {
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
	return nil, fmt.Errorf("%s: unknown type %q", path, shown(name))
}

func (p *parser) union(branches []any, namespace string, path *place) (*Type, error) {
	t := &Type{Kind: Union}
	seen := map[string]bool{}
	for i, node := range branches {
		branch, err := p.parse(node, namespace, path.item("", i))
		if err != nil {
			return nil, err
		}
		name := branch.branchName()
		if branch.Kind == Union || seen[name] {
			return nil, fmt.Errorf("%s: a union holds no union, and no type twice (%s)", path, shown(name))
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

func (p *parser) object(node map[string]any, namespace string, path *place) (*Type, error) {
	if node["type"] == nil {
		return nil, fmt.Errorf("%s: a type without \"type\"", path)
	}
	own, err := labels(node, path)
	if err != nil {
		return nil, err
	}
	kind, ok := node["type"].(string)
	if !ok {
		t, err := p.parse(node["type"], namespace, path) // {"type": {"type": …}}
		if err == nil && len(own) > 0 {
			if t.Name != "" {
				return nil, fmt.Errorf("%s: labels belong on the field or the definition, not around %s", path, shown(t.Name))
			}
			t.Labels = append(t.Labels, own...)
		}
		return t, err
	}
	var t *Type
	switch kind {
	case "array", "map":
		t, err = p.collection(kind, node, namespace, path)
	case "record", "error", "enum", "fixed":
		return p.definition(kind, node, own, namespace, path)
	default:
		if t, err = p.named(kind, namespace, path); err == nil && t.Name != "" {
			// A reference; its properties are where it was defined. A label here would be lost, and that unseen.
			if node["labels"] != nil {
				return nil, fmt.Errorf("%s: labels belong on the field or the definition, not on a reference to %s", path, shown(t.Name))
			}
			return t, nil
		}
	}
	if err != nil {
		return nil, err
	}
	t.Labels = own
	logical(t, node)
	return t, nil
}

func (p *parser) collection(kind string, node map[string]any, namespace string, path *place) (*Type, error) {
	t, of := &Type{Kind: Array, minSize: 1}, "items"
	if kind == "map" {
		t, of = &Type{Kind: Map, minSize: 1}, "values"
	}
	var err error
	t.Items, err = p.parse(node[of], namespace, path.field(of))
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
