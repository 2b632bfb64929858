package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"kinesis-destination/cmd/internal/control/api"
)

// mostHistory is how many changes the page of a flow shows.
const mostHistory = 50

// notes are the newest entries of the journal, read again when there are others.
type notes struct {
	mu      sync.Mutex
	version string
	list    []Noted // the oldest first
}

// read is the newest entries of the journal, the oldest first; they are not changed.
func (n *notes) read(ctx context.Context, audit Audit) ([]Noted, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	version := audit.Version(ctx)
	if version != "" && version == n.version {
		return n.list, nil
	}
	var list []Noted
	err := audit.Notes(ctx, func(one Noted) error {
		list = append(list, one)
		return nil
	})
	if err != nil {
		return nil, err
	}
	n.version, n.list = version, list
	return list, nil
}

// historyRow is a change of a flow.
type historyRow struct {
	At       int64
	Offset   int64
	By, What string
	Refused  string // why, where it was
	Changes  []disparity
	State    string // that it was set to, where that changed
	Undo     string // where it can be taken back
}

// history is what the journal knows of a flow, the newest first.
func (p *page) history(f flow) (rows []historyRow, problem string) {
	if p.h.o.Audit == nil {
		return nil, "history.unknown"
	}
	all, err := p.h.notes.read(p.ctx(), p.h.o.Audit)
	if err != nil {
		p.h.o.Log.Warn("the journal could not be read for a history", "flow", f.ID, "error", err)
		return nil, "history.away"
	}
	key := "flows/" + p.sandbox + "/" + f.ID
	var before json.RawMessage
	for _, n := range all {
		for _, d := range n.Docs {
			if d.Key == "jobs"+strings.TrimPrefix(key, "flows") && len(n.Docs) == 1 { // beside it, the flow was deleted
				rows = append(rows, historyRow{At: n.At.UnixMilli(), Offset: n.Offset, By: n.By, What: n.Why})
			}
			if d.Key != key {
				continue
			}
			row := historyRow{At: n.At.UnixMilli(), Offset: n.Offset, By: n.By, What: n.Why, Refused: n.Reason}
			if n.Applied {
				row.Changes, row.State = changed(before, d.Doc)
				if before != nil && d.Doc != nil && len(row.Changes) > 0 {
					row.Undo = p.flowPath(f.ID, "/undo/"+strconv.FormatInt(n.Offset, 10))
				}
				before = d.Doc
			}
			rows = append(rows, row)
		}
	}
	newest := rows[max(len(rows)-mostHistory, 0):]
	rows = make([]historyRow, 0, len(newest))
	for i := range newest {
		rows = append(rows, newest[len(newest)-1-i])
	}
	return rows, ""
}

// changed is what a version of a flow made of the one before.
func changed(before, after json.RawMessage) (list []disparity, state string) {
	if before == nil || after == nil {
		return nil, ""
	}
	b, err := readEditable(before)
	if err != nil {
		return nil, ""
	}
	a, err := readEditable(after)
	if err != nil {
		return nil, ""
	}
	var was, is struct {
		State string `json:"state"`
	}
	if json.Unmarshal(before, &was) == nil && json.Unmarshal(after, &is) == nil && was.State != is.State {
		state = is.State
	}
	return differences(b, a, b), state
}

// showUndo shows what taking a change back would do to the flow as it is now: the
// change's own differences, reversed, beside what has changed since.
func showUndo(p *page) error {
	was, is, err := p.versions(p.r.PathValue("offset"))
	if err != nil {
		return err
	}
	return p.conflictPage(http.StatusOK, is, was, nil, true)
}

// versions are a flow before and after the entry of an offset.
func (p *page) versions(offset string) (was, is editable, err error) {
	gone := api.Refuse(api.CodeNotFound, "the journal has no such change of this flow, or none before it: it cannot be taken back")
	at, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || p.h.o.Audit == nil {
		return was, is, gone
	}
	all, err := p.h.notes.read(p.ctx(), p.h.o.Audit)
	if err != nil {
		return was, is, api.Refuse(api.CodeUnavailable, "the journal does not answer: try again in a while")
	}
	key := "flows/" + p.sandbox + "/" + p.r.PathValue("id")
	var before json.RawMessage
	for _, n := range all {
		if !n.Applied {
			continue
		}
		for _, d := range n.Docs {
			if d.Key != key {
				continue
			}
			if n.Offset == at && before != nil && d.Doc != nil {
				if was, err = readEditable(before); err == nil {
					is, err = readEditable(d.Doc)
				}
				return was, is, err
			}
			before = d.Doc
		}
	}
	return was, is, gone
}

// command is a call as a shell has it.
type command struct{ Title, Text string }

// commands are the calls by which the flow is looked at and changed, as curl.
func (p *page) commands(f flow) []command {
	scheme := "http"
	if p.r.TLS != nil {
		scheme = "https"
	}
	head := func(method, path string) string {
		parts := []string{"curl -sS"}
		if method != http.MethodGet {
			parts = append(parts, "-X "+method)
		}
		parts = append(parts, quoted(scheme+"://"+p.r.Host+flowService+path))
		if p.h.o.SignIn {
			parts = append(parts, `-H "Authorization: Bearer $TOKEN"`)
		}
		return strings.Join(append(parts, "-H "+quoted("x-sandbox-name: "+p.sandbox)), " \\\n  ")
	}
	at := "/flows/" + f.ID
	op := "disable"
	if f.State != "enabled" {
		op = "enable"
	}
	return []command{
		{p.t("curl.get"), head(http.MethodGet, at)},
		{p.t("curl.segment"), head(http.MethodPatch, at) + " \\\n  -H " + quoted("If-Match: "+f.Etag) + " \\\n  -H 'Content-Type: application/json' \\\n  -d " +
			quoted(`[{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"SEGMENT"}}}]`)},
		{p.t("curl." + op), head(http.MethodPost, at+"/action?op="+op)},
		{p.t("curl.backfill"), head(http.MethodPost, at+"/jobs") + " \\\n  -H 'Content-Type: application/json' \\\n  -d " + quoted(`{"op":"backfill","dryRun":true}`)},
		{p.t("curl.runs"), head(http.MethodGet, "/runs?property=flowId=="+f.ID)},
		{p.t("curl.export"), head(http.MethodGet, at+"/export")},
	}
}

// quoted is a word of a shell, whatever is in it.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// yaml is the flow as a destination's file.
func (p *page) yaml(id string) (string, error) {
	a, err := p.call(p.ctx(), http.MethodGet, flowService+"/flows/"+id+"/export", nil, nil)
	if err != nil {
		return "", err
	}
	return a.body.String(), nil
}
