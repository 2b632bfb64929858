package server

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/web"
)

// settings are what a page shows of how this process was set up: no address of a
// broker, no key and no hash of a token.
func settings(o Options) func() web.Settings {
	return func() web.Settings {
		s := web.Settings{Store: o.KeptIn}
		for _, source := range o.Sources {
			one := web.SourceInfo{
				Name: source.Name, Description: source.Description, Sandbox: source.Sandbox, Topics: source.Kafka.TopicNames(), Segments: len(source.Segments),
			}
			if source.Registry != nil {
				one.Registry = hostOf(source.Registry.URL)
			}
			s.Sources = append(s.Sources, one)
		}
		if o.Tokens != nil {
			for _, token := range o.Tokens.current(o.Log) {
				one := web.TokenInfo{Name: token.Name, Sandboxes: token.Sandboxes, CreatedAt: token.CreatedAt}
				for _, p := range token.Permissions {
					one.Permissions = append(one.Permissions, string(p))
				}
				s.Tokens = append(s.Tokens, one)
			}
		}
		return s
	}
}

// hostOf is an address without what may be secret in it.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// What is kept of the journal for pages: entries, and bytes of flows. There may be
// twice as much before the oldest go, all at once.
const (
	mostNotes     = 10_000
	mostNoteBytes = 16 << 20
)

// Audit is a journal as pages show it: its newest entries, followed as it grows.
func Audit(store *journal.Store) web.Audit { return &audit{store: store, trail: store.Trail()} }

type audit struct {
	store *journal.Store

	mu    sync.Mutex
	trail *journal.Trail
	notes []web.Noted
	bytes int
}

// Version implements web.Audit: how far the journal is, refusals included.
func (a *audit) Version(context.Context) string {
	s, _ := a.store.Watch()
	return s.Store + " " + strconv.FormatInt(s.Next, 10)
}

// Notes implements web.Audit.
func (a *audit) Notes(ctx context.Context, each func(web.Noted) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	anew := func() { a.notes, a.bytes = nil, 0 }
	err := a.trail.Next(ctx, anew, func(one journal.Audited) error {
		a.note(one)
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range a.notes {
		if err := each(n); err != nil {
			return err
		}
	}
	return nil
}

// note keeps an entry, and lets go of the oldest ones beyond the bounds.
func (a *audit) note(one journal.Audited) {
	if one.Verdict != journal.Applied && one.Verdict != journal.Refused {
		return // the journal's own affairs, and changes that were judged anew
	}
	n := web.Noted{Offset: one.Offset, At: one.At, By: one.By, Why: one.Why, Applied: one.Verdict == journal.Applied, Reason: one.Reason}
	for _, d := range one.Docs {
		doc := web.NotedDoc{Key: d.Key, Base: d.Base}
		if strings.HasPrefix(d.Key, documents.Flows+"/") && len(d.Body) > 0 && string(d.Body) != "null" {
			doc.Doc = d.Body // of other documents, which hold sealed secrets, only that they changed
		}
		if n.Applied {
			doc.Etag = one.Etag
		}
		n.Docs = append(n.Docs, doc)
	}
	a.notes, a.bytes = append(a.notes, n), a.bytes+size(n)
	if len(a.notes) < 2*mostNotes && a.bytes < 2*mostNoteBytes {
		return
	}
	gone := 0
	for len(a.notes)-gone > mostNotes || a.bytes > mostNoteBytes && len(a.notes)-gone > 1 {
		a.bytes -= size(a.notes[gone])
		gone++
	}
	a.notes = append([]web.Noted(nil), a.notes[gone:]...)
}

func size(n web.Noted) int {
	sum := 0
	for _, d := range n.Docs {
		sum += len(d.Doc)
	}
	return sum
}
