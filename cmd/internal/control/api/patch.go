package api

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Operation is one of a JSON Patch (RFC 6902).
type Operation struct {
	Op    string
	Path  string
	From  string
	Value any
	has   bool // a value was given
}

// maxOperations bounds a patch: 250 segments and 50 attributes, each removed and
// added. What an operation costs is bounded by the document, and what all of them copy by
// [MaxBody]: a copy of the document into itself doubles it.
const maxOperations = 1000

// The operations of the flow service, and those of the policy service.
var (
	ThreeOperations = []string{"add", "replace", "remove"}
	AllOperations   = []string{"add", "replace", "remove", "move", "copy", "test"}
)

// Operations reads a patch from a body. The names of operations may be of either case.
func Operations(body any, allowed []string) ([]Operation, error) {
	list, ok := body.([]any)
	if !ok {
		return nil, Refuse(CodePatch, "the body must be a JSON Patch: a list of operations like {\"op\": \"replace\", \"path\": \"/name\", \"value\": \"…\"}")
	}
	if len(list) == 0 {
		return nil, Refuse(CodeNoBody, "the patch holds no operation")
	}
	if len(list) > maxOperations {
		return nil, Refuse(CodePatch, "the patch holds %d operations, and at most %d are taken at once", len(list), maxOperations)
	}
	var operations []Operation
	for i, item := range list {
		at := fmt.Sprintf("[%d]", i)
		var one struct {
			Op    string `json:"op"`
			Path  string `json:"path"`
			From  string `json:"from"`
			Value any    `json:"value"`
		}
		if problems := Into(item, &one, at); len(problems) > 0 {
			return nil, InvalidAs(CodePatch, problems)
		}
		object, ok := item.(map[string]any)
		if !ok {
			return nil, InvalidAs(CodePatch, []FieldError{{at, "must be an object with op, path and value"}})
		}
		op := strings.ToLower(one.Op)
		if !slices.Contains(allowed, op) {
			return nil, InvalidAs(CodePatchOperation, []FieldError{{at + ".op", fmt.Sprintf("Unsupported operation '%s' received. Please use one of the supported operation types (%s) and try again.", short(one.Op), strings.Join(allowed, ", "))}})
		}
		_, has := object["value"]
		operations = append(operations, Operation{Op: op, Path: one.Path, From: one.From, Value: one.Value, has: has})
	}
	return operations, nil
}

// Patch applies operations in their order to a value that [Body] or [Generic] made,
// which is changed. The first that cannot be done refuses all of them.
func Patch(document any, operations []Operation) (any, error) {
	copies := MaxBody
	for i, o := range operations {
		next, problem := o.apply(document, &copies)
		if problem != "" {
			return nil, InvalidAs(CodePatch, []FieldError{{fmt.Sprintf("[%d]", i), fmt.Sprintf("An error has occurred while validating patch instructions: %s %s: %s", o.Op, short(o.Path), problem)}})
		}
		document = next
	}
	return document, nil
}

// apply does the operation. copies is how much may still be copied, as weight counts it.
func (o Operation) apply(document any, copies *int) (any, string) {
	switch o.Op {
	case "add", "replace", "test":
		if !o.has {
			return nil, "needs a value"
		}
	}
	path, problem := pointer(o.Path)
	if problem != "" {
		return nil, problem
	}
	switch o.Op {
	case "test":
		found, problem := lookup(document, path)
		if problem == "" && !reflect.DeepEqual(found, o.Value) {
			problem = "what is there is another value"
		}
		return document, problem
	case "move", "copy":
		from, problem := pointer(o.From)
		if problem != "" {
			return nil, "from: " + problem
		}
		value, problem := lookup(document, from)
		if problem != "" {
			return nil, "from: " + problem
		}
		if o.Op == "copy" {
			if *copies -= weight(value, *copies); *copies < 0 {
				return nil, fmt.Sprintf("the patch copies more than the %d bytes that a request may bring", MaxBody)
			}
			value = clone(value)
		} else {
			if len(path) > len(from) && slices.Equal(path[:len(from)], from) {
				return nil, "a value cannot be moved into itself"
			}
			if document, problem = change(document, from, "remove", nil); problem != "" {
				return nil, "from: " + problem
			}
		}
		return change(document, path, "add", value)
	}
	return change(document, path, o.Op, clone(o.Value))
}

// pointer reads a JSON Pointer (RFC 6901).
func pointer(text string) ([]string, string) {
	if text == "" {
		return nil, ""
	}
	if !strings.HasPrefix(text, "/") {
		return nil, "a path begins with /"
	}
	parts := strings.Split(text[1:], "/")
	if len(parts) > maxDepth {
		return nil, "the path is too deep"
	}
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
	}
	return parts, ""
}

func lookup(at any, path []string) (any, string) {
	for _, part := range path {
		next, problem := member(at, part)
		if problem != "" {
			return nil, problem
		}
		at = next
	}
	return at, ""
}

func member(at any, part string) (any, string) {
	switch v := at.(type) {
	case map[string]any:
		if value, ok := v[part]; ok {
			return value, ""
		}
		return nil, fmt.Sprintf("Missing field %q", short(part))
	case []any:
		i, problem := index(part, len(v)-1)
		if problem != "" {
			return nil, problem
		}
		return v[i], ""
	}
	return nil, fmt.Sprintf("Missing field %q", short(part))
}

// index reads a place in a list, up to the highest one allowed.
func index(part string, highest int) (int, string) {
	i, err := strconv.Atoi(part)
	if err != nil || i < 0 || part != strconv.Itoa(i) {
		return 0, fmt.Sprintf("%q is no place in a list: write a number from 0 on", short(part))
	}
	if i > highest {
		return 0, fmt.Sprintf("there is no item %d, the list has %d", i, highest+1)
	}
	return i, ""
}

// change does op at the end of a path and returns what stands at its beginning then.
func change(at any, path []string, op string, value any) (any, string) {
	if len(path) == 0 {
		if op == "remove" {
			return nil, "the whole document cannot be removed"
		}
		return value, ""
	}
	part := path[0]
	if len(path) > 1 {
		inner, problem := member(at, part)
		if problem != "" {
			return nil, problem
		}
		inner, problem = change(inner, path[1:], op, value)
		if problem != "" {
			return nil, problem
		}
		switch v := at.(type) {
		case map[string]any:
			v[part] = inner
		case []any:
			i, _ := index(part, len(v)-1) // member has read it
			v[i] = inner
		}
		return at, ""
	}
	switch v := at.(type) {
	case map[string]any:
		if _, there := v[part]; !there && op != "add" {
			return nil, fmt.Sprintf("Missing field %q", short(part))
		}
		if op == "remove" {
			delete(v, part)
		} else {
			v[part] = value
		}
		return v, ""
	case []any:
		return changeList(v, part, op, value)
	}
	return nil, fmt.Sprintf("Missing field %q", short(part))
}

func changeList(list []any, part, op string, value any) (any, string) {
	if op == "add" && part == "-" {
		return append(list, value), ""
	}
	highest := len(list) - 1
	if op == "add" {
		highest++
	}
	i, problem := index(part, highest)
	if problem != "" {
		return nil, problem
	}
	switch op {
	case "add":
		return slices.Insert(list, i, value), ""
	case "remove":
		return slices.Delete(list, i, i+1), ""
	}
	list[i] = value
	return list, ""
}

// weight is about how many bytes a value has as JSON, or something above most.
func weight(value any, most int) int {
	n := 2
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			if n += len(key) + 4; n > most {
				break
			}
			n += weight(item, most-n)
		}
	case []any:
		for _, item := range v {
			if n++; n > most {
				break
			}
			n += weight(item, most-n)
		}
	case string:
		n += len(v)
	default: // a number of any length
		n += len(fmt.Sprint(v))
	}
	return n
}

// clone keeps one value from standing at two places, where a later operation would
// change both.
func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		copied := maps.Clone(v)
		for key, item := range copied {
			copied[key] = clone(item)
		}
		return copied
	case []any:
		copied := slices.Clone(v)
		for i, item := range copied {
			copied[i] = clone(item)
		}
		return copied
	}
	return value
}
