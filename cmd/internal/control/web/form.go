package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
)

// Problem is a field that is wrong, in the API's words.
type Problem struct {
	Field   string // its name in the form, which is its path in the API
	Message string
}

// ID is the field's place in the page.
func (p Problem) ID() string { return fieldID(p.Field) }

// fieldID is where a field stands in the page: a form has one of each name. The dots of
// a path are dashes there, and what is no letter, digit or dash is its number.
func fieldID(name string) string {
	var id strings.Builder
	id.WriteString("f-")
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-':
			id.WriteRune(r)
		case r == '.':
			id.WriteByte('-')
		default:
			fmt.Fprintf(&id, "_%x_", r)
		}
	}
	return id.String()
}

// Refusal is why a form was not taken: fields, or the whole.
type Refusal struct {
	Fields []Problem
	Whole  string
	Cause  *api.Error
}

// refused makes a refusal of the API one of a form that has the named fields: what is
// wrong elsewhere is said of the whole. What is no refusal comes back as the error.
func refused(err error, fields ...string) (*Refusal, error) {
	cause, ok := errors.AsType[*api.Error](err)
	if !ok {
		return nil, err
	}
	if cause.Status == 401 || cause.Status == 403 {
		return nil, err
	}
	r := &Refusal{Cause: cause}
	var whole []string
	for _, e := range cause.Errors {
		if i := slices.IndexFunc(fields, func(name string) bool {
			return e.Field == name || strings.HasPrefix(e.Field, name+"[") || strings.HasPrefix(e.Field, name+".")
		}); i >= 0 {
			r.Fields = append(r.Fields, Problem{fields[i], e.Message})
			continue
		}
		whole = append(whole, strings.TrimPrefix(e.Field+": "+e.Message, ": "))
	}
	r.Whole = strings.Join(whole, "; ")
	if len(cause.Errors) == 0 {
		r.Whole = cause.Detail
	}
	return r, nil
}

// Form is a form with what was filled in, and what is wrong with it.
type Form struct {
	Values  url.Values
	Refusal *Refusal
}

// Value is what stands in a field.
func (f Form) Value(name string) string { return f.Values.Get(name) }

// Has says whether a box of a name and value is ticked.
func (f Form) Has(name, value string) bool { return slices.Contains(f.Values[name], value) }

// Wrong are the mistakes of a field.
func (f Form) Wrong(name string) []string {
	if f.Refusal == nil {
		return nil
	}
	var said []string
	for _, p := range f.Refusal.Fields {
		if p.Field == name {
			said = append(said, p.Message)
		}
	}
	return said
}

// secret are the fields that no page shows again and no draft keeps.
var secret = []string{"token", "auth.params.accessKeyId", "auth.params.secretKey"}

// shown are the values of a form that may be shown again.
func shown(values url.Values) url.Values {
	kept := url.Values{}
	for name, list := range values {
		if !slices.Contains(secret, name) {
			kept[name] = list
		}
	}
	return kept
}

// form reads the posted form.
func (p *page) form() (url.Values, error) {
	err := p.r.ParseForm()
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, api.Refuse(api.CodeTooLarge, "the form is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, api.Refuse(api.CodeInvalid, "the form could not be read")
	}
	for name, list := range p.r.PostForm {
		for i := range list {
			// Browsers send the line breaks of a text area as two characters.
			p.r.PostForm[name][i] = strings.ReplaceAll(list[i], "\r\n", "\n")
		}
	}
	return p.r.PostForm, nil
}
