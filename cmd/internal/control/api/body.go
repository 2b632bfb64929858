package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// MaxBody is how many bytes a request may bring: 250 segments and 50 attributes with
// all that is known of them are a tenth of it.
const MaxBody = 1 << 20

// maxDepth is how deep a body may nest; documents of ours nest eight deep, and an
// expression of a policy as deep as people write it.
const maxDepth = 64

// Body reads a request's JSON: objects as map[string]any, numbers as json.Number.
// What encoding/json lets pass is refused: keys that stand twice, of which it takes
// the last, and what follows the value.
func Body(r *http.Request) (any, error) {
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, Refuse(CodeTooLarge, "the request's body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, Refuse(CodeInvalid, "the request's body could not be read to its end")
	}
	if err := contentType(r); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		said := "The request body cannot be null or empty. Please provide a request body and try again."
		if r.Method == http.MethodPatch {
			said += " To look a document up, use GET."
		}
		return nil, Refuse(CodeNoBody, "%s", said)
	}
	value, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, Refuse(CodeNoBody, "The request body cannot be null or empty. Please provide a request body and try again.")
	}
	return value, nil
}

// contentType refuses what a form of another site could send; who shows a token is
// no browser that was led astray, and curl says form-urlencoded of whatever it sends.
func contentType(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) || r.Header.Get("Authorization") != "" {
		return nil
	}
	return Refuse(CodeInvalid, "A valid content-type must be specified: send Content-Type: application/json")
}

// Parse reads a text of JSON, strictly.
func Parse(text []byte) (any, error) {
	if !utf8.Valid(text) { // the library would keep other text than was sent
		return nil, Refuse(CodeInvalid, "the body is not JSON: it has bytes that are not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	p := parser{decoder: decoder}
	value, err := p.value("", 0)
	if err == nil {
		if _, rest := decoder.Token(); !errors.Is(rest, io.EOF) {
			err = errors.New("something follows the value")
			if rest != nil {
				err = rest
			}
		}
	}
	if len(p.twice) > 0 && err == nil {
		return nil, Invalid(p.twice)
	}
	if err == nil {
		return value, nil
	}
	refusal, ok := errors.AsType[*Error](err)
	if ok {
		return nil, refusal
	}
	return nil, Refuse(CodeInvalid, "the body is not JSON: %s", inWords(text, decoder.InputOffset(), err))
}

// inWords says where a text stops being JSON. It does not quote it: it may hold a
// secret.
func inWords(text []byte, at int64, err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset
	}
	at = max(min(at, int64(len(text))), 0)
	line := 1 + bytes.Count(text[:at], []byte("\n"))
	rest := bytes.TrimLeft(text[max(at-1, 0):], " \t\r\n,:")
	switch {
	case bytes.HasPrefix(rest, []byte("//")), bytes.HasPrefix(rest, []byte("/*")), bytes.HasPrefix(rest, []byte("#")):
		return fmt.Sprintf("line %d holds a comment; JSON has none, take it out", line)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	}
	return fmt.Sprintf("a mistake in line %d", line)
}

// parser reads values and notes keys that stand twice.
type parser struct {
	decoder *json.Decoder
	twice   []FieldError
}

func (p *parser) value(path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, Refuse(CodeInvalid, "the body nests deeper than %d", maxDepth)
	}
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return p.object(path, depth)
	case json.Delim('['):
		list := []any{}
		for p.decoder.More() {
			item, err := p.value(fmt.Sprintf("%s[%d]", path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err := p.decoder.Token()
		return list, err
	}
	return token, nil
}

func (p *parser) object(path string, depth int) (any, error) {
	object := map[string]any{}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string)
		at := Below(path, key)
		if _, known := object[key]; known && len(p.twice) < maxFieldErrors {
			p.twice = append(p.twice, FieldError{at, "stands twice: give it once"})
		}
		if object[key], err = p.value(at, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := p.decoder.Token()
	return object, err
}

// Below is the path of a field in an object.
func Below(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }
