package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
)

// activityPage is how many entries a page shows.
const activityPage = 50

type activityView struct {
	Query, By, Verdict, Kind string
	Kinds                    []string
	People                   []string
	Rows                     []activityRow
	Next, First              string
	Problem                  string
	Total                    int
	Filtered                 bool
}

type activityRow struct {
	At       int64
	Offset   int64
	By, What string
	Applied  bool
	Refused  string
	About    []aboutRow
}

// aboutRow is a document of a change, with the page that shows it.
type aboutRow struct{ Kind, ID, Path string }

// activityKinds are the first parts of keys.
var activityKinds = []string{"flows", "connections", "sourceConnections", "targetConnections", "governance"}

// showActivity lists what was done and refused in the sandbox, filtered by its address.
func showActivity(p *page) error {
	given := p.r.URL.Query()
	v := activityView{
		Query: strings.TrimSpace(given.Get("q")), By: given.Get("by"), Verdict: given.Get("verdict"), Kind: given.Get("kind"), Kinds: activityKinds,
	}
	if !slices.Contains([]string{"applied", "refused"}, v.Verdict) {
		v.Verdict = ""
	}
	if !slices.Contains(activityKinds, v.Kind) {
		v.Kind = ""
	}
	v.Filtered = v.Query+v.By+v.Verdict+v.Kind != ""
	if p.h.o.Audit == nil {
		v.Problem = p.t("history.unknown")
		return p.show(http.StatusOK, "activity", "activity", "activity.title", v, nil)
	}
	if _, err := p.may(api.View); err != nil {
		return err
	}
	all, err := p.h.notes.read(p.ctx(), p.h.o.Audit)
	if err != nil {
		p.h.o.Log.Warn("the journal could not be read for the activity", "error", err)
		v.Problem = p.t("history.away")
		return p.show(http.StatusOK, "activity", "activity", "activity.title", v, nil)
	}
	before, err := strconv.ParseInt(given.Get("before"), 10, 64)
	if err != nil {
		before = 0
	} else {
		v.First = p.activityAddress(v, 0)
	}
	for _, n := range slices.Backward(all) {
		row, ok := p.activityRow(n)
		if !ok {
			continue
		}
		if !slices.Contains(v.People, n.By) {
			v.People = append(v.People, n.By)
		}
		if before > 0 && n.Offset >= before || !v.chooses(n, row) {
			continue
		}
		if len(v.Rows) == activityPage {
			v.Next = p.activityAddress(v, v.Rows[activityPage-1].Offset)
			break
		}
		v.Rows = append(v.Rows, row)
	}
	slices.Sort(v.People)
	return p.show(http.StatusOK, "activity", "activity", "activity.title", v, nil)
}

// chooses says whether the filters let an entry through.
func (v *activityView) chooses(n Noted, row activityRow) bool {
	switch {
	case v.By != "" && n.By != v.By,
		v.Verdict == "applied" && !n.Applied,
		v.Verdict == "refused" && n.Applied,
		v.Kind != "" && !slices.ContainsFunc(row.About, func(a aboutRow) bool { return a.Kind == v.Kind }):
		return false
	}
	if v.Query == "" {
		return true
	}
	said := []string{n.By, n.Why, n.Reason}
	for _, a := range row.About {
		said = append(said, a.ID)
	}
	return strings.Contains(strings.ToLower(strings.Join(said, " ")), strings.ToLower(v.Query))
}

// activityRow is an entry as the page shows it; ok is false where it is of another
// sandbox.
func (p *page) activityRow(n Noted) (row activityRow, ok bool) {
	row = activityRow{At: n.At.UnixMilli(), Offset: n.Offset, By: n.By, What: n.Why, Applied: n.Applied, Refused: n.Reason}
	for _, d := range n.Docs {
		parts := strings.Split(d.Key, "/")
		at := 1
		if parts[0] == "governance" {
			at = 2
		}
		if len(parts) != at+2 || parts[at] != p.sandbox {
			continue
		}
		about := aboutRow{Kind: parts[0], ID: parts[at+1]}
		if parts[0] == "jobs" { // a flow has as many as one
			if len(n.Docs) > 1 {
				continue // the flow was deleted with it
			}
			about.Kind, about.Path = "flows", p.flowPath(about.ID, "")
		}
		switch {
		case parts[0] == "flows" && d.Doc != nil:
			about.Path = p.flowPath(about.ID, "")
		case parts[0] == "governance":
			about.Path = p.base() + "/governance"
		}
		row.About = append(row.About, about)
	}
	return row, len(row.About) > 0
}

func (p *page) activityAddress(v activityView, before int64) string {
	query := url.Values{}
	for name, value := range map[string]string{"q": v.Query, "by": v.By, "verdict": v.Verdict, "kind": v.Kind} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if before > 0 {
		query.Set("before", strconv.FormatInt(before, 10))
	}
	return p.base() + "/activity?" + query.Encode()
}
