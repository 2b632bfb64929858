package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"kinesis-destination/cmd/internal/control/api"
)

// policyFields are those of the form, by their paths in the API.
var policyFields = []string{"name", "description", "status", "marketingActionRefs", "deny"}

type policyView struct {
	ID, Etag string // empty: a new one
	Form     Form
	Actions  []string // CONTAINER/NAME
	Statuses []string
	Examples bool

	Violations []shownViolation
}

// showPolicy shows the form of a custom policy; of a new one where none is named.
func showPolicy(p *page) error {
	v := policyView{ID: p.r.PathValue("id"), Form: Form{Values: url.Values{"status": {"DRAFT"}}}}
	if v.ID != "" {
		var found policyItem
		a, err := p.call(p.ctx(), http.MethodGet, policyService+"/policies/custom/"+url.PathEscape(v.ID), nil, &found)
		if err != nil {
			return err
		}
		v.Etag = a.header.Get("ETag")
		v.Form.Values = url.Values{"name": {found.Name}, "description": {found.Description}, "status": {found.Status}, "deny": {found.Denied()}}
		for _, ref := range found.Refs {
			if _, name, ok := strings.Cut(ref, "marketingActions/"); ok {
				v.Form.Values.Add("marketingActionRefs", name)
			}
		}
	}
	return p.policyPage(http.StatusOK, v)
}

func (p *page) policyPage(status int, v policyView) error {
	var core, custom []action
	for _, err := range []error{into(p, "/marketingActions/core", &core), into(p, "/marketingActions/custom", &custom)} {
		if err != nil {
			return err
		}
	}
	for _, a := range core {
		v.Actions = append(v.Actions, "core/"+a.Name)
	}
	for _, a := range custom {
		v.Actions = append(v.Actions, "custom/"+a.Name)
	}
	v.Statuses = []string{"DRAFT", "ENABLED", "DISABLED"}
	v.Violations = violationsOf(v.Form.Refusal)
	return p.show(status, "policy", "governance", "policy.title", v, v.Form.Refusal)
}

// savePolicy makes a custom policy, or changes the one that the path names.
func savePolicy(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	id := p.r.PathValue("id")
	refs := []string{}
	for _, name := range values["marketingActionRefs"] {
		refs = append(refs, policyService+"/marketingActions/"+name)
	}
	body := map[string]any{
		"name": strings.TrimSpace(values.Get("name")), "description": strings.TrimSpace(values.Get("description")),
		"status": values.Get("status"), "marketingActionRefs": refs,
	}
	deny, problem := readDenied(values.Get("deny"))
	if problem == "" {
		body["deny"] = deny
		method, path, more := http.MethodPost, "/policies/custom", []string(nil)
		if id != "" {
			method, path, more = http.MethodPut, path+"/"+url.PathEscape(id), []string{"If-Match", values.Get("etag")}
		}
		_, err = p.call(p.ctx(), method, policyService+path, body, nil, more...)
	} else {
		err = api.Invalid([]api.FieldError{{Field: "deny", Message: problem}})
	}
	if err != nil {
		refusal, err := refused(err, policyFields...)
		if err != nil {
			return err
		}
		return p.policyPage(refusal.Cause.Status, policyView{ID: id, Etag: values.Get("etag"), Form: Form{values, refusal}})
	}
	p.redirect(p.base() + "/governance?done=changed")
	return nil
}

func deletePolicy(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	return p.governed(http.MethodDelete, "/policies/custom/"+url.PathEscape(values.Get("id")), nil)
}

// readDenied reads an expression as [denied] says it: labels joined by "and" or "or",
// within parentheses where both are used.
func readDenied(text string) (value any, problem string) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") { // as the API has it
		var raw json.RawMessage
		if err := json.Unmarshal([]byte(text), &raw); err != nil {
			return nil, "is no JSON: " + err.Error()
		}
		return raw, ""
	}
	r := &deniedReader{}
	if r.words, problem = deniedWords(text); problem != "" {
		return nil, problem
	}
	value = r.expression(0)
	if r.problem == "" && len(r.words) > 0 {
		r.fail("the end is missing before " + r.words[0])
	}
	return value, r.problem
}

// saidLabel is a label within an expression: in quotes where it would be read as more
// than a label.
func saidLabel(label string) string {
	operator := slices.Contains([]string{"AND", "OR"}, strings.ToUpper(label))
	if operator || label[0] == '{' || strings.ContainsFunc(label, func(r rune) bool {
		return strings.ContainsRune(`()"`, r) || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}) {
		return strconv.Quote(label)
	}
	return label
}

// deniedWords are the words of an expression: labels, of which some are in quotes, and,
// or and parentheses.
func deniedWords(text string) (words []string, problem string) {
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if text == "" {
			return words, ""
		}
		size := 1
		switch text[0] {
		case '(', ')':
		case '"':
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				return nil, "a label in quotes has no end: write \"A or B\", with \\\" for a quote in it"
			}
			size = len(quoted)
		default:
			if size = strings.IndexFunc(text, func(r rune) bool { return strings.ContainsRune(`()"`, r) || unicode.IsSpace(r) }); size < 0 {
				size = len(text)
			}
		}
		words = append(words, text[:size])
		text = text[size:]
	}
}

// maxDeniedDepth bounds parentheses within each other.
const maxDeniedDepth = 20

type deniedReader struct {
	words   []string
	problem string
}

func (r *deniedReader) fail(problem string) {
	if r.problem == "" {
		r.problem = problem + "; write labels joined by and, or: C3 and (I1 or I2)"
	}
}

func (r *deniedReader) next() string {
	if len(r.words) == 0 {
		return ""
	}
	word := r.words[0]
	r.words = r.words[1:]
	return word
}

func (r *deniedReader) expression(depth int) any {
	operands := []any{r.operand(depth)}
	operator := ""
	for r.problem == "" && len(r.words) > 0 && r.words[0] != ")" {
		word := strings.ToUpper(r.next())
		switch {
		case !slices.Contains([]string{"AND", "OR"}, word):
			r.fail("between two labels stands and, or or")
		case operator != "" && word != operator:
			r.fail("and beside or needs parentheses")
		}
		operator = word
		operands = append(operands, r.operand(depth))
	}
	if len(operands) == 1 {
		return operands[0]
	}
	return map[string]any{"operator": operator, "operands": operands}
}

func (r *deniedReader) operand(depth int) any {
	if r.problem != "" {
		return nil
	}
	word := r.next()
	switch {
	case word == "" || word == `""` || word == ")" || slices.Contains([]string{"AND", "OR"}, strings.ToUpper(word)):
		r.fail("a label is missing")
	case word == "(" && depth >= maxDeniedDepth:
		r.fail("there are too many parentheses within each other")
	case word == "(":
		inner := r.expression(depth + 1)
		if r.next() != ")" {
			r.fail("a parenthesis is not closed")
		}
		return inner
	}
	if label, err := strconv.Unquote(word); err == nil && word[0] == '"' {
		word = label
	}
	return map[string]any{"label": word}
}
