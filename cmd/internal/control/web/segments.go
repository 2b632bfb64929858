package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// segmentsAPage is how many segments a page lists.
const segmentsAPage = 100

type listedSegment struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Labels      []string `json:"labels"`
	Configured  bool     `json:"configured"`
	Seen        struct {
		Inside int `json:"inside"`
		Exited int `json:"exited"`
	} `json:"seen"`
	Chosen bool
}

type segmentsView struct {
	*activation
	Form        Form
	Query, Show string
	Segments    []listedSegment
	Found       int
	Page, Pages int
	Chosen      []listedSegment
	Sample      *sample
	Unavailable string
}

// showSegments lists the segments that can be activated.
func showSegments(p *page) error {
	a, err := p.activation()
	if err != nil {
		return err
	}
	return p.segmentsPage(http.StatusOK, a, nil, "")
}

func (p *page) segmentsPage(status int, a *activation, refusal *Refusal, paste string) error {
	query := p.r.URL.Query()
	v := segmentsView{activation: a, Query: strings.TrimSpace(query.Get("q")), Show: query.Get("show")}
	v.Form = Form{url.Values{"paste": {paste}}, refusal}
	var found struct {
		Items       []listedSegment `json:"items"`
		Sample      *sample         `json:"sample"`
		Unavailable string          `json:"unavailable"`
	}
	if err := p.get(p.ctx(), flowService+"/sources/"+url.PathEscape(a.Source)+"/segments", &found); err != nil {
		return err
	}
	v.Sample, v.Unavailable = found.Sample, found.Unavailable
	known := map[string]listedSegment{}
	for i := range found.Items {
		found.Items[i].Chosen = slices.Contains(a.now[kindSegment], found.Items[i].ID)
		known[found.Items[i].ID] = found.Items[i]
	}
	for _, id := range a.now[kindSegment] {
		one, ok := known[id]
		if !ok {
			one.ID = id
		}
		v.Chosen = append(v.Chosen, one)
	}
	matching := slices.DeleteFunc(found.Items, func(s listedSegment) bool { return !v.matches(s) })
	v.Found, v.Pages = len(matching), (len(matching)+segmentsAPage-1)/segmentsAPage
	v.Page, _ = strconv.Atoi(query.Get("page"))
	v.Page = max(1, min(v.Page, v.Pages))
	v.Segments = matching[min(len(matching), (v.Page-1)*segmentsAPage):min(len(matching), v.Page*segmentsAPage)]
	return p.show(status, "segments", "flows", "segments.title", v, refusal)
}

// Previous and Following are the pages around.
func (v segmentsView) Previous() int { return v.Page - 1 }

// Following is the next page; 0 where there is none.
func (v segmentsView) Following() int {
	if v.Page >= v.Pages {
		return 0
	}
	return v.Page + 1
}

func (v segmentsView) matches(s listedSegment) bool {
	switch v.Show {
	case "chosen":
		if !s.Chosen {
			return false
		}
	case "seen":
		if s.Seen.Inside+s.Seen.Exited == 0 {
			return false
		}
	case "configured":
		if !s.Configured {
			return false
		}
	}
	for _, text := range append([]string{s.ID, s.Name, s.Description}, s.Labels...) {
		if strings.Contains(strings.ToLower(text), strings.ToLower(v.Query)) {
			return true
		}
	}
	return false
}

// chooseSegments takes what was ticked and pasted, and goes on.
func chooseSegments(p *page) error {
	f, err := p.stepForm(kindSegment)
	if err != nil {
		return err
	}
	a := f.activation
	query := url.Values{"q": {f.values.Get("q")}, "show": {f.values.Get("show")}}
	switch f.verb {
	case "page":
		query.Set("page", f.what)
		p.redirect(p.at(a, "segments", query))
	case "search", "drop", "add":
		p.redirect(p.at(a, "segments", query))
	case "exit":
		p.leave(a)
	default:
		refusal, err := p.judged(a, kindSegment)
		if err != nil {
			return err
		}
		if refusal != nil {
			return p.segmentsPage(http.StatusBadRequest, a, refusal, "")
		}
		p.redirect(p.at(a, "attributes", nil))
	}
	return nil
}
