package seal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Each calls f with every sealed value of a document, and the field that it stands
// in. An error of f ends it.
func Each(body json.RawMessage, f func(field string, s Sealed) error) error {
	_, err := walk(body, func(field string, s Sealed) (any, error) { return s, f(field, s) })
	return err
}

// Reseal seals with the first key what another one has sealed. n is how many
// values that were; with none, the document is the same.
func (r *Ring) Reseal(document string, body json.RawMessage) (resealed json.RawMessage, n int, err error) {
	root, err := walk(body, func(field string, s Sealed) (any, error) {
		if s.KID == r.keys[0].id {
			return s, nil
		}
		secret, err := r.Open(document, field, s)
		if err != nil {
			return nil, err
		}
		n++
		return r.Seal(document, field, secret), nil
	})
	if err != nil || n == 0 {
		return body, 0, err
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(root); err != nil {
		return nil, 0, fmt.Errorf("write %s: %w", document, err)
	}
	return bytes.TrimSpace(b.Bytes()), n, nil
}

// walk replaces the sealed values of a document.
func walk(body json.RawMessage, f func(field string, s Sealed) (any, error)) (any, error) {
	in := json.NewDecoder(bytes.NewReader(body))
	in.UseNumber()
	var root any
	if err := in.Decode(&root); err != nil {
		return nil, fmt.Errorf("read a document: %w", err)
	}
	return replaced(root, "", f)
}

func replaced(v any, field string, f func(field string, s Sealed) (any, error)) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		if s, ok := sealed(v); ok {
			return f(field, s)
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if v[name], err = replaced(v[name], field+"/"+escaper.Replace(name), f); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = replaced(v[i], field+"/"+strconv.Itoa(i), f); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// escaper is that of JSON Pointer.
var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// sealed tells a sealed value by its form: it has these three fields and no other.
func sealed(v map[string]any) (Sealed, bool) {
	if len(v) != 3 {
		return Sealed{}, false
	}
	text, err := json.Marshal(v)
	if err != nil {
		return Sealed{}, false
	}
	var s Sealed
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if in.Decode(&s) != nil || s.KID == "" || len(s.Nonce) == 0 || len(s.Data) == 0 {
		return Sealed{}, false
	}
	return s, true
}
