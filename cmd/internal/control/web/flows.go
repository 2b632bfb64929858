package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// flowsAPage is how many flows a page lists.
const flowsAPage = 25

type flowsView struct {
	Query, State, Order string
	Orders              []string
	Flows               []listedFlow
	Next                string // the address of the next page
	First               string // that of the first, where this is another
	Filtered            bool
}

type listedFlow struct {
	flow
	Stream, Region string
	Stands         string // as its page says it, of the words state.…
}

// lookedFor are states that the list can be filtered by: what the document says, and
// what processes tell that somebody should see to.
var lookedFor = map[string]string{
	"enabled": "state==enabled", "disabled": "state==disabled", "held": "status.state==held", "refused": "status.state==refused",
}

// flowOrders are the orders of the list, as the API has them.
var flowOrders = []string{"-updatedAt", "+name", "-name", "-createdAt"}

// showFlows lists flows: searched, filtered and ordered by its address.
func showFlows(p *page) error {
	given := p.r.URL.Query()
	v := flowsView{Query: strings.TrimSpace(given.Get("q")), State: given.Get("state"), Order: given.Get("order"), Orders: flowOrders}
	if !slices.Contains(flowOrders, v.Order) {
		v.Order = flowOrders[0]
	}
	query := url.Values{"limit": {strconv.Itoa(flowsAPage)}, "orderby": {v.Order}}
	if v.Query != "" {
		query.Add("property", "name~="+v.Query)
	}
	if condition := lookedFor[v.State]; condition != "" {
		query.Add("property", condition)
	} else {
		v.State = ""
	}
	if from := given.Get("from"); from != "" {
		query.Set("continuationToken", from)
		v.First = p.flowsAddress(v, "")
	}
	v.Filtered = v.Query != "" || v.State != "" || v.First != ""
	var found list[flow]
	if err := p.get(p.ctx(), flowService+"/flows?"+query.Encode(), &found); err != nil {
		return err
	}
	if next := found.Links.Next; next != nil {
		if u, err := url.Parse(next.Href); err == nil {
			v.Next = p.flowsAddress(v, u.Query().Get("continuationToken"))
		}
	}
	streams, err := p.targetsOf(found.Items)
	if err != nil {
		return err
	}
	for _, f := range found.Items {
		one := listedFlow{flow: f}
		if len(f.TargetIDs) > 0 {
			one.Stream, one.Region = streams[f.TargetIDs[0]].Params.Stream, streams[f.TargetIDs[0]].Params.Region
		}
		if one.Stands, err = p.stands(f); err != nil {
			return err
		}
		v.Flows = append(v.Flows, one)
	}
	return p.show(http.StatusOK, "flows", "flows", "flows.title", v, nil)
}

// stands is the word of how a flow stands; where nobody tells what flows do, what its
// document says.
func (p *page) stands(f flow) (string, error) {
	if p.h.o.Runs == nil {
		return f.State, nil
	}
	told, err := p.h.o.Runs.Status(p.ctx(), p.sandbox, f.ID)
	var v liveView
	p.stateOf(&v, f, told)
	return v.State, err
}

func (p *page) flowsAddress(v flowsView, from string) string {
	query := url.Values{}
	for name, value := range map[string]string{"q": v.Query, "state": v.State, "order": v.Order, "from": from} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return p.base() + "/flows?" + query.Encode()
}

// targetsOf are the target connections of flows, by their ids.
func (p *page) targetsOf(flows []flow) (map[string]target, error) {
	var ids []string
	for _, f := range flows {
		ids = append(ids, f.TargetIDs...)
	}
	byID := map[string]target{}
	if len(ids) == 0 {
		return byID, nil
	}
	query := url.Values{"limit": {"100"}, "property": {"id==" + strings.Join(ids, ",")}}
	var found list[target]
	if err := p.get(p.ctx(), flowService+"/targetConnections?"+query.Encode(), &found); err != nil {
		return nil, err
	}
	for _, t := range found.Items {
		byID[t.ID] = t
	}
	return byID, nil
}
