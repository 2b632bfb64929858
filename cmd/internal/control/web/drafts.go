package web

import (
	"net/url"
	"strings"
	"sync"
	"time"
)

// The bounds of drafts: how long one is kept without a change, how many there are, how
// large one is, and all of them.
const (
	draftAge   = 7 * 24 * time.Hour
	mostDrafts = 2000
	mostDraft  = 256 << 10 // 250 segments and 50 attributes are a tenth of it
	allDrafts  = 16 << 20
)

// draftKey is whose draft it is, and of what.
type draftKey struct{ caller, sandbox, of string }

type draft struct {
	values url.Values
	at     time.Time
	bytes  int
}

// drafts keep what was filled in and not sent off yet, without secrets: a reload, or a
// session that ends, loses none of it. They are kept in memory: a restart does.
type drafts struct {
	mu    sync.Mutex
	all   map[draftKey]draft
	bytes int
}

// keep keeps a draft, in place of the one before. Where there are too many, the oldest
// go.
func (d *drafts) keep(key draftKey, values url.Values, now time.Time) {
	values = shown(values)
	bytes := len(values.Encode())
	if bytes > mostDraft {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[draftKey]draft{}
	}
	d.remove(key)
	for len(d.all) >= mostDrafts || d.bytes+bytes > allDrafts {
		var oldest draftKey
		for k, one := range d.all {
			if at := d.all[oldest].at; at.IsZero() || one.at.Before(at) {
				oldest = k
			}
		}
		d.remove(oldest)
	}
	d.all[key] = draft{values, now, bytes}
	d.bytes += bytes
}

func (d *drafts) remove(key draftKey) {
	d.bytes -= d.all[key].bytes
	delete(d.all, key)
}

// find is a draft; nil where there is none. It is not changed.
func (d *drafts) find(key draftKey, now time.Time) url.Values {
	d.mu.Lock()
	defer d.mu.Unlock()
	one, ok := d.all[key]
	if ok && now.Sub(one.at) > draftAge {
		d.remove(key)
		return nil
	}
	return one.values
}

func (d *drafts) drop(key draftKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove(key)
}

// keepPosted keeps the form that was posted after its session had ended, and returns the
// address of the view that shows it again.
func (p *page) keepPosted() string {
	path := p.r.URL.Path
	values, err := p.form()
	if err != nil || p.caller() == "" {
		return p.base() + "/catalog"
	}
	account, id := p.r.PathValue("account"), p.r.PathValue("id")
	switch {
	case account != "":
		p.keepDraft("destination/"+account, values)
	case strings.HasSuffix(path, "/accounts"):
		p.keepDraft("account/"+values.Get("auth"), values)
		return path + "/new?" + url.Values{"auth": {values.Get("auth")}}.Encode()
	case strings.HasSuffix(path, "/activate/segments"):
		p.keepDraft(postedOf(kindSegment, id), values)
	case strings.HasSuffix(path, "/activate/attributes"):
		p.keepDraft(postedOf(kindAttribute, id), values)
	case strings.HasSuffix(path, "/activate/review"):
	default:
		return p.base() + "/catalog"
	}
	return path
}

// postedOf is what a step's form is kept by that has not become part of a draft yet.
func postedOf(kind, id string) string { return "posted/" + kind + "/" + id }

// draft is the caller's draft of a thing.
func (p *page) draft(of string) url.Values {
	return p.h.drafts.find(draftKey{p.caller(), p.sandbox, of}, p.h.o.Now())
}

func (p *page) keepDraft(of string, values url.Values) {
	p.h.drafts.keep(draftKey{p.caller(), p.sandbox, of}, values, p.h.o.Now())
}

func (p *page) dropDraft(of string) { p.h.drafts.drop(draftKey{p.caller(), p.sandbox, of}) }
