package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// maxFieldErrors is how many fields one refusal names.
const maxFieldErrors = 100

// Into sets a struct by a value that [Body] read, and tells every field that there is
// not, or that has another type. Fields go by their json tags; the paths begin with
// path.
func Into(value any, to any, path string) []FieldError {
	r := reader{}
	r.read(value, reflect.ValueOf(to).Elem(), path)
	return r.problems
}

type reader struct{ problems []FieldError }

func (r *reader) report(path, format string, args ...any) {
	if len(r.problems) < maxFieldErrors {
		r.problems = append(r.problems, FieldError{path, fmt.Sprintf(format, args...)})
	}
}

var rawType = reflect.TypeFor[json.RawMessage]()

func (r *reader) read(value any, to reflect.Value, path string) {
	if value == nil && path != "" {
		return // left empty: as if it were not there
	}
	switch {
	case to.Type() == rawType:
		text, err := json.Marshal(value)
		if err == nil {
			to.SetBytes(text)
		}
		return
	case to.Kind() == reflect.Interface:
		to.Set(reflect.ValueOf(value))
		return
	case to.Kind() == reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		r.read(value, to.Elem(), path)
		return
	}
	switch v := value.(type) {
	case map[string]any:
		r.readObject(v, to, path)
	case []any:
		if to.Kind() != reflect.Slice {
			r.report(path, "must be %s, and is a list", wanted(to))
			return
		}
		to.Set(reflect.MakeSlice(to.Type(), len(v), len(v)))
		for i, item := range v {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item == nil {
				r.report(at, "must be %s, and is null", wanted(to.Index(i)))
				continue
			}
			r.read(item, to.Index(i), at)
		}
	default:
		r.readScalar(v, to, path)
	}
}

func (r *reader) readObject(object map[string]any, to reflect.Value, path string) {
	switch to.Kind() {
	case reflect.Map:
		to.Set(reflect.MakeMap(to.Type()))
		for _, key := range slices.Sorted(maps.Keys(object)) {
			item := reflect.New(to.Type().Elem()).Elem()
			r.read(object[key], item, Below(path, key))
			to.SetMapIndex(reflect.ValueOf(key), item)
		}
	case reflect.Struct:
		fields := map[string]reflect.Value{}
		collect(to, fields)
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if field, known := fields[key]; known {
				r.read(object[key], field, Below(path, key))
				continue
			}
			said := "there is no such field"
			if meant := nearest(key, slices.Sorted(maps.Keys(fields))); meant != "" {
				said += "; did you mean " + meant + "?"
			}
			r.report(Below(path, key), "%s", said)
		}
	default:
		r.report(path, "must be %s, and is an object", wanted(to))
	}
}

func (r *reader) readScalar(value any, to reflect.Value, path string) {
	switch v := value.(type) {
	case string:
		if to.Kind() == reflect.String {
			to.SetString(v)
			return
		}
	case bool:
		if to.Kind() == reflect.Bool {
			to.SetBool(v)
			return
		}
	case json.Number:
		n, err := v.Int64()
		if err == nil && to.Kind() == reflect.Int64 && n >= 0 && n < math.MaxInt64 {
			to.SetInt(n)
			return
		}
		if err == nil && to.Kind() == reflect.Int64 && n < 0 {
			r.report(path, "must be 0 or more")
			return
		}
	}
	r.report(path, "must be %s", wanted(to))
}

func collect(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		switch {
		case v.Type().Field(i).Anonymous && name == "":
			collect(v.Field(i), fields)
		case name != "" && name != "-":
			fields[name] = v.Field(i)
		}
	}
}

func wanted(to reflect.Value) string {
	switch to.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Pointer:
		return wanted(reflect.New(to.Type().Elem()).Elem())
	}
	return "an object"
}

// nearest is the known name that was meant: the same but for capitals, or one letter.
func nearest(name string, known []string) string {
	for _, k := range known {
		a, b := strings.ToLower(name), strings.ToLower(k)
		for a != "" && b != "" && a[0] == b[0] {
			a, b = a[1:], b[1:]
		}
		for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
			a, b = a[:len(a)-1], b[:len(b)-1]
		}
		if len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0] {
			return k
		}
	}
	return ""
}

// Generic is a value of ours as [Body] would read it.
func Generic(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	return Parse(text)
}

// OneLine refuses what is one line wherever it is shown, logged or written to a file, and
// is none.
func OneLine(field, text string, report func(field, message string)) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		report(field, "must not hold a line break or another control character")
	}
}
