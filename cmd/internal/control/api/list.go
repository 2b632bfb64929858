package api

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The bounds of a page of a list.
const (
	MaxLimit     = 100
	DefaultLimit = 20
)

// maxConditions bounds what one list filters by.
const maxConditions = 20

// Item is a document as it is shown, with what orders equal ones.
type Item struct {
	ID     string
	Fields map[string]any
}

// Query is what a list was asked for: a page, an order, and conditions that must all
// hold.
type Query struct {
	Limit      int
	Count      bool
	order      string
	ordered    bool // the caller has said by what
	descending bool
	after      *position
	conditions []condition
}

// position is where a page ended.
type position struct {
	Value any    `json:"v"`
	ID    string `json:"i"`
}

// condition is one property: a path, and the alternatives that it may equal, or one
// that it is compared with.
type condition struct {
	path     []string
	operator string
	values   []string
}

// operators from the longest on: >= is not > of something with =.
var operators = []string{"==", ">=", "<=", "!=", "~=", ">", "<"}

// ParseQuery reads the parameters of a list. Further names parameters that the caller
// reads.
func ParseQuery(values url.Values, further ...string) (*Query, error) {
	q := &Query{Limit: DefaultLimit, order: "createdAt"}
	for name := range values {
		if !slices.Contains(append(further, "limit", "continuationToken", "orderby", "property", "count"), name) {
			return nil, InvalidAs(CodeParameter, []FieldError{{name, fmt.Sprintf("Invalid params %s provided in query params: there are limit, continuationToken, orderby, property and count.", short(name))}})
		}
	}
	if text := values.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxLimit {
			return nil, InvalidAs(CodeParameterValue, []FieldError{{"limit", fmt.Sprintf("must be a number from 1 to %d", MaxLimit)}})
		}
		q.Limit = n
	}
	switch values.Get("count") {
	case "", "false":
	case "true":
		if values.Get("limit") != "" {
			return nil, Refuse(CodeLimitAndCount, "The limit and count parameters cannot be given together in the same request. Please provide either only the limit or the count parameter and try again.")
		}
		q.Count = true
	default:
		return nil, InvalidAs(CodeParameterValue, []FieldError{{"count", "must be true or false"}})
	}
	if err := q.readOrder(values.Get("orderby")); err != nil {
		return nil, err
	}
	if token := values.Get("continuationToken"); token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || json.Unmarshal(text, &q.after) != nil || q.after == nil {
			return nil, InvalidAs(CodeParameterValue, []FieldError{{"continuationToken", "is none that a list has given"}})
		}
	}
	if len(values["property"]) > maxConditions {
		return nil, InvalidAs(CodeParameterValue, []FieldError{{"property", fmt.Sprintf("at most %d conditions are taken", maxConditions)}})
	}
	for _, text := range values["property"] {
		c, err := parseCondition(text)
		if err != nil {
			return nil, err
		}
		q.conditions = append(q.conditions, c)
	}
	return q, nil
}

// orderable are the fields that lists are ordered by.
var orderable = []string{"id", "name", "state", "createdAt", "updatedAt", "description"}

func (q *Query) readOrder(text string) error {
	if text == "" {
		return nil
	}
	text = strings.TrimSpace(text) // a + that was not escaped is a blank
	name := strings.TrimLeft(text, "+-")
	if len(text)-len(name) > 1 {
		return InvalidAs(CodeOrder, []FieldError{{"orderby", "Sort order specified is not correct, prepend + for ascending order and - for descending order in the fieldName."}})
	}
	if !slices.Contains(orderable, name) {
		return InvalidAs(CodeOrderField, []FieldError{{"orderby", fmt.Sprintf("Incorrect field %s passed in orderBy; there are %s, each with + or - before it.", short(name), strings.Join(orderable, ", "))}})
	}
	q.order, q.descending, q.ordered = name, strings.HasPrefix(text, "-"), true
	return nil
}

// NewestFirst orders a list from the newest item on, where the caller says nothing else.
func (q *Query) NewestFirst() {
	if !q.ordered {
		q.descending = true
	}
}

func parseCondition(text string) (condition, error) {
	at := strings.IndexAny(text, "=<>!~")
	operator := ""
	if at > 0 {
		for _, o := range operators {
			if strings.HasPrefix(text[at:], o) {
				operator = o
				break
			}
		}
	}
	if operator == "" {
		return condition{}, InvalidAs(CodeParameterValue, []FieldError{{"property", "must be field==value; also != > < >= <=, ~= for a part of a text, and a comma between alternatives"}})
	}
	c := condition{operator: operator, values: strings.Split(text[at+len(operator):], ",")}
	if operator == "~=" { // a part may hold commas
		c.values = []string{text[at+len(operator):]}
	}
	c.path = strings.Split(strings.ReplaceAll(strings.TrimSpace(text[:at]), "[]", ".[]"), ".")
	switch {
	case len(c.path) > maxDepth || slices.Contains(c.path, ""):
		return c, InvalidAs(CodeParameterValue, []FieldError{{"property", "the field must be a path like name or flowSpec.id, with [] behind a list"}})
	case len(c.values) > 1 && operator != "==":
		return c, InvalidAs("1443-400", []FieldError{{"property", fmt.Sprintf("Operator '%s' is not allowed for multiple values.", operator)}})
	case c.values[0] == "":
		return c, InvalidAs("1453-400", []FieldError{{"property", "Invalid query value provided in query param: nothing stands behind the operator."}})
	}
	return c, nil
}

// Page is what a list answers with.
type Page struct {
	Items []map[string]any `json:"items"`
	Links Links            `json:"_links"`
}

// Links lead to what comes after a page.
type Links struct {
	Next *Link `json:"next,omitempty"`
}

// Link is an address.
type Link struct {
	Href string `json:"href"`
}

// Select filters and orders items, and returns the page of them with the token of the
// next one; empty where there is none.
func (q *Query) Select(items []Item) (page []Item, next string, total int) {
	items = slices.DeleteFunc(items, func(item Item) bool { return !q.holds(item.Fields) })
	total = len(items)
	slices.SortFunc(items, func(a, b Item) int { return q.compare(q.place(a), q.place(b)) })
	if q.after != nil {
		from, _ := slices.BinarySearchFunc(items, *q.after, func(item Item, after position) int {
			if q.compare(q.place(item), after) <= 0 {
				return -1
			}
			return 1
		})
		items = items[from:]
	}
	if len(items) <= q.Limit {
		return items, "", total
	}
	items = items[:q.Limit]
	text, err := json.Marshal(q.place(items[q.Limit-1]))
	if err != nil { // it is made of what JSON has
		return items, "", total
	}
	return items, base64.RawURLEncoding.EncodeToString(text), total
}

func (q *Query) place(item Item) position {
	if q.order == "id" {
		return position{ID: item.ID}
	}
	return position{Value: item.Fields[q.order], ID: item.ID}
}

func (q *Query) compare(a, b position) int {
	order := cmp.Or(compareValues(a.Value, b.Value), cmp.Compare(a.ID, b.ID))
	if q.descending {
		return -order
	}
	return order
}

// compareValues compares numbers as such, everything else as text.
func compareValues(a, b any) int {
	x, isNumber := number(a)
	y, both := number(b)
	if isNumber && both {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(plain(a), plain(b))
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case float64:
		return n, true
	case int64:
		return float64(n), true
	}
	return 0, false
}

func plain(v any) string {
	switch s := v.(type) {
	case nil:
		return ""
	case string:
		return s
	}
	return fmt.Sprint(v)
}

func (q *Query) holds(fields map[string]any) bool {
	for _, c := range q.conditions {
		if !c.holds(fields, c.path) {
			return false
		}
	}
	return true
}

// Reads says whether a condition looks below a field.
func (q *Query) Reads(field string) bool {
	return slices.ContainsFunc(q.conditions, func(c condition) bool { return c.path[0] == field })
}

// Equals is the only value that a field must equal, if there is a condition that says
// so.
func (q *Query) Equals(field string) (string, bool) {
	for _, c := range q.conditions {
		if len(c.path) == 1 && c.path[0] == field && c.operator == "==" && len(c.values) == 1 {
			return c.values[0], true
		}
	}
	return "", false
}

func (c condition) holds(at any, path []string) bool {
	if len(path) == 0 {
		return slices.ContainsFunc(c.values, func(value string) bool { return c.compares(at, value) })
	}
	switch v := at.(type) {
	case map[string]any:
		inner, ok := v[path[0]]
		return ok && c.holds(inner, path[1:])
	case []any:
		if path[0] == "[]" {
			path = path[1:]
		}
		return slices.ContainsFunc(v, func(item any) bool { return c.holds(item, path) })
	}
	return false
}

func (c condition) compares(at any, value string) bool {
	if list, ok := at.([]any); ok {
		return slices.ContainsFunc(list, func(item any) bool { return c.compares(item, value) })
	}
	if c.operator == "~=" {
		return strings.Contains(strings.ToLower(plain(at)), strings.ToLower(value))
	}
	order := cmp.Compare(plain(at), value)
	if n, isNumber := number(at); isNumber {
		f, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return false
		}
		order = cmp.Compare(n, f)
	}
	switch c.operator {
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order > 0
	case "<":
		return order < 0
	case ">=":
		return order >= 0
	}
	return order <= 0
}
