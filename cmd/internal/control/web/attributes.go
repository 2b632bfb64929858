package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The bounds of a page of fields: a schema of more is opened group by group, and a
// search shows its first matches.
const (
	mostOpenFields = 300
	mostFound      = 200
	mostListed     = 500
)

type listedField struct {
	Path       string   `json:"path"`
	Type       string   `json:"type"`
	Labels     []string `json:"labels"`
	Group      bool     `json:"group"`
	Collection bool     `json:"collection"`
	Present    int      `json:"present"`
	Example    string   `json:"example"`
}

// fieldNode is a field in its place, as the page shows it.
type fieldNode struct {
	listedField
	Name     string
	Chosen   bool
	Covered  string // the chosen group that it goes out with
	Events   int    // that were looked at
	Open     bool
	Shut     bool // what is inside is not in the page
	Children []*fieldNode
}

// Share is how many of the events have the field.
func (n *fieldNode) Share() string {
	if n.Events == 0 {
		return ""
	}
	return fmt.Sprintf("%d %%", (n.Present*100+n.Events/2)/n.Events)
}

type attributesView struct {
	*activation
	Form              Form
	Query, Opened     string
	Tree              []*fieldNode
	Found, Fields     int
	More, Cut         bool // fields that are not listed, or not in the page
	Chosen            []string
	Options           Form
	Sample            *sample
	Unavailable       string
	SchemaUnavailable string
}

// showAttributes shows the schema's fields as a tree.
func showAttributes(p *page) error {
	a, err := p.activation()
	if err != nil {
		return err
	}
	return p.attributesPage(http.StatusOK, a, nil)
}

func (p *page) attributesPage(status int, a *activation, refusal *Refusal) error {
	query := p.r.URL.Query()
	v := attributesView{
		activation: a, Query: strings.TrimSpace(query.Get("q")), Opened: query.Get("open"), Chosen: a.now[kindAttribute],
		Form: Form{url.Values{}, refusal}, Options: Form{Values: url.Values{kindOption: a.now[kindOption]}},
	}
	var found struct {
		Items             []listedField `json:"items"`
		More              bool          `json:"more"`
		Events            int           `json:"events"`
		Sample            *sample       `json:"sample"`
		Unavailable       string        `json:"unavailable"`
		SchemaUnavailable string        `json:"schemaUnavailable"`
	}
	if err := p.get(p.ctx(), flowService+"/sources/"+url.PathEscape(a.Source)+"/fields", &found); err != nil {
		return err
	}
	v.Sample, v.Unavailable, v.SchemaUnavailable, v.More, v.Fields = found.Sample, found.Unavailable, found.SchemaUnavailable, found.More, len(found.Items)
	if v.Query != "" {
		for _, f := range found.Items {
			if strings.Contains(strings.ToLower(f.Path+" "+strings.Join(f.Labels, " ")), strings.ToLower(v.Query)) {
				if v.Found++; v.Found <= mostFound {
					v.Tree = append(v.Tree, a.node(f, f.Path, found.Events))
				}
			}
		}
	} else {
		v.Tree, v.Cut = a.tree(found.Items, found.Events, v.Opened)
	}
	return p.show(status, "attributes", "flows", "attributes.title", v, refusal)
}

// node is a field as the page shows it.
func (a *activation) node(f listedField, name string, events int) *fieldNode {
	n := &fieldNode{listedField: f, Name: name, Chosen: slices.Contains(a.now[kindAttribute], f.Path), Events: events}
	for _, path := range a.now[kindAttribute] {
		if strings.HasPrefix(f.Path, path+".") {
			n.Covered = path
		}
	}
	return n
}

// tree puts fields into their groups. Those of a large schema that are in groups which
// are not open are left out of the page; cut says that others are as well.
func (a *activation) tree(fields []listedField, events int, opened string) (top []*fieldNode, cut bool) {
	byPath := map[string]*fieldNode{}
	large := len(fields) > mostOpenFields
	for _, f := range fields {
		at := strings.LastIndexByte(f.Path, '.')
		parent := byPath[f.Path[:max(at, 0)]]
		if at >= 0 && (parent == nil || parent.Shut) {
			continue
		}
		if len(byPath) >= mostListed && (opened == "" || !strings.HasPrefix(f.Path, opened)) {
			cut = true
			continue
		}
		n := a.node(f, f.Path[at+1:], events)
		byPath[f.Path] = n
		if n.Group {
			wanted := opened == f.Path || strings.HasPrefix(opened, f.Path+".")
			chosen := slices.ContainsFunc(a.now[kindAttribute], func(path string) bool { return strings.HasPrefix(path, f.Path+".") })
			n.Open, n.Shut = wanted || chosen, large && !wanted && !chosen
		}
		if parent == nil {
			top = append(top, n)
			continue
		}
		parent.Children = append(parent.Children, n)
	}
	return top, cut
}

// chooseAttributes takes what was ticked and typed, and the options, and goes on.
func chooseAttributes(p *page) error {
	f, err := p.stepForm(kindAttribute)
	if err != nil {
		return err
	}
	a := f.activation
	query := url.Values{"q": {f.values.Get("q")}, "open": {f.values.Get("open")}}
	switch f.verb {
	case "open":
		p.redirect(p.at(a, "attributes", url.Values{"open": {f.what}}) + "#" + fieldID("attribute-"+f.what))
	case "search", "drop", "add":
		p.redirect(p.at(a, "attributes", query))
	case "back":
		p.redirect(p.at(a, "segments", nil))
	case "look":
		p.redirect(p.at(a, "review", nil) + "#example")
	case "exit":
		p.leave(a)
	default:
		refusal, err := p.judged(a, kindAttribute)
		if err != nil {
			return err
		}
		if refusal != nil {
			return p.attributesPage(http.StatusBadRequest, a, refusal)
		}
		p.redirect(p.at(a, "review", nil))
	}
	return nil
}
