package operation

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/jobs"
)

const (
	// mostNotes is how often a note is written anew where another was written meanwhile.
	mostNotes = 5
	// mostWhy bounds what the audit says of a job.
	mostWhy = 500
)

// noted is the document of a job: the one that was asked for last. The flow's own would
// have another version by it, and who edits it would be refused.
type noted struct {
	jobs.Request
	By      string `json:"by"`
	At      int64  `json:"at"` // milliseconds
	Stopped bool   `json:"stopped,omitempty"`
}

// Note implements jobs.Work. A flow that is not there any more has no note.
func (f *Flows) Note(ctx context.Context, o jobs.Order, stopped bool) error {
	doc, err := json.Marshal(noted{o.Request, o.By, f.Now().UnixMilli(), stopped})
	if err != nil {
		return err
	}
	for range mostNotes {
		var view documents.View
		if view, err = f.Store.View(ctx); err != nil {
			return err
		}
		flow, there := view.Get(documents.Key(documents.Flows, o.Sandbox, o.Flow))
		if !there {
			return nil
		}
		key := documents.Key(documents.Jobs, o.Sandbox, o.Flow)
		before, _ := view.Get(key)
		_, err = f.Store.Propose(ctx, documents.Change{
			By: o.By, Why: why(o, stopped),
			Writes: []documents.Write{{Key: key, Base: before.Etag, Doc: doc}},
			Reads:  []documents.Read{{Key: flow.Key, Etag: flow.Etag}},
		})
		if _, conflict := errors.AsType[*documents.Conflict](err); !conflict {
			return err
		}
	}
	return err
}

// why is the call in few words.
func why(o jobs.Order, stopped bool) string {
	method := "POST"
	if stopped {
		method = "DELETE"
	}
	words := []string{method, "/flows/" + o.Flow + "/jobs", "op=" + o.Op}
	for _, field := range []struct{ name, value string }{
		{"reason", o.Reason}, {"segment", o.Segment}, {"from", o.From}, {"to", o.To}, {"id", o.ID},
	} {
		if field.value != "" {
			words = append(words, field.name+"="+field.value)
		}
	}
	if o.EveryEvent {
		words = append(words, "everyEvent")
	}
	said := strings.Join(words, " ")
	return strings.ToValidUTF8(said[:min(len(said), mostWhy)], "")
}
