package server

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/web"
)

// settings are what a page shows of how this process was set up: no address of a
// broker, no key and no hash of a token.
func settings(o Options) func() web.Settings {
	return func() web.Settings {
		var s web.Settings
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
			for _, token := range o.Tokens.current() {
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

// Audit is a journal as pages show it.
func Audit(store *journal.Store) web.Audit { return audit{store} }

type audit struct{ *journal.Store }

// Version implements web.Audit: how far the journal is, refusals included.
func (a audit) Version(context.Context) string {
	s, _ := a.Watch()
	return s.Store + " " + strconv.FormatInt(s.Next, 10)
}

// Notes implements web.Audit.
func (a audit) Notes(ctx context.Context, each func(web.Noted) error) error {
	return a.Audit(ctx, func(one journal.Audited) error {
		if one.Verdict != journal.Applied && one.Verdict != journal.Refused {
			return nil // the journal's own affairs, and changes that were judged anew
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
		return each(n)
	})
}
