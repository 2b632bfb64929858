package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// destinationFields are those of the form that sets a destination up.
var destinationFields = []string{"name", "description", "params.stream", "params.marketingActions", "params.source"}

// listedStream is one that an account can see.
type listedStream struct {
	Name  string `json:"name"`
	State *struct {
		Status     string `json:"status"`
		Mode       string `json:"mode"`
		Encryption string `json:"encryption"`
		Shards     int    `json:"shards"`
		Strategy   string `json:"recordDistributionStrategy"`
	} `json:"state"`
}

// KeysIgnored: the stream spreads records whatever their keys, so that none keeps its
// order.
func (s listedStream) KeysIgnored() bool { return s.State != nil && s.State.Strategy == "AUTO" }

// listedSource is what flows may read.
type listedSource struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Topics      []string `json:"topics"`
}

type destinationView struct {
	Form      Form
	Account   *account
	Streams   []listedStream
	More      bool
	NoStreams string // why they cannot be listed
	Sources   []listedSource
	Actions   []listedAction
	Report    any
	Untested  bool
}

// newDestination shows the form of a destination.
func newDestination(p *page) error {
	v, err := p.destinationView(Form{Values: p.draft("destination/" + p.r.PathValue("account"))})
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, "destination", "catalog", "destination.title", v, nil)
}

func (p *page) destinationView(form Form) (destinationView, error) {
	v := destinationView{Form: form}
	var err error
	if v.Account, err = p.account(p.r.PathValue("account")); err != nil {
		return v, err
	}
	var streams struct {
		Items []listedStream `json:"items"`
		More  bool           `json:"more"`
	}
	if err := p.get(p.ctx(), flowService+"/connections/"+url.PathEscape(v.Account.ID)+"/streams", &streams); err != nil {
		refusal, err := refused(err)
		if err != nil {
			return v, err
		}
		v.NoStreams = refusal.Whole
	}
	v.Streams, v.More = streams.Items, streams.More
	if v.Sources, err = p.sources(); err != nil {
		return v, err
	}
	v.Actions, err = p.actions()
	return v, err
}

func (p *page) sources() ([]listedSource, error) {
	var found struct {
		Items []listedSource `json:"items"`
	}
	err := p.get(p.ctx(), flowService+"/sources", &found)
	return found.Items, err
}

// makeDestination makes what a flow needs, and the flow. What was made before
// something was refused is taken away again.
func makeDestination(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	accountID := p.r.PathValue("account")
	p.keepDraft("destination/"+accountID, values)
	id, err := p.setUp(accountID, values)
	if err != nil {
		refusal, err := refused(err, destinationFields...)
		if err != nil {
			return err
		}
		v, err := p.destinationView(Form{shown(values), refusal})
		if err != nil {
			return err
		}
		v.Report, v.Untested = refusal.Cause.Report, refusal.Cause.Report != nil
		return p.show(refusal.Cause.Status, "destination", "catalog", "destination.title", v, refusal)
	}
	p.dropDraft("destination/" + accountID)
	if values.Get("go") == "exit" {
		p.redirect(p.base() + "/flows/" + id + "?done=flow.made")
		return nil
	}
	p.redirect(p.base() + "/flows/" + id + "/activate/segments?done=flow.made")
	return nil
}

// setUp makes a flow of a form, and returns its id.
func (p *page) setUp(accountID string, values url.Values) (id string, err error) {
	var made []string // addresses, to take away
	defer func() {
		if err == nil {
			return
		}
		ctx := context.WithoutCancel(p.ctx())
		for _, path := range slices.Backward(made) {
			if _, gone := p.call(ctx, http.MethodDelete, path, nil, nil); gone != nil {
				p.h.o.Log.Warn("what a destination needed is left behind", "document", path, "error", gone)
			}
		}
	}()
	create := func(kind string, body map[string]any) (string, error) {
		var answer struct {
			ID string `json:"id"`
		}
		_, err := p.call(p.ctx(), http.MethodPost, flowService+"/"+kind, body, &answer)
		if err == nil {
			path, _, _ := strings.Cut(kind, "?")
			made = append(made, flowService+"/"+path+"/"+answer.ID)
		}
		return answer.ID, err
	}
	name, description := strings.TrimSpace(values.Get("name")), strings.TrimSpace(values.Get("description"))
	stream := strings.TrimSpace(values.Get("params.stream"))
	if stream == "" {
		stream = values.Get("listed")
	}
	kind := "targetConnections"
	if values.Get("untested") != "" {
		kind += "?validate=false"
	}
	target, err := create(kind, map[string]any{
		"name": name, "description": description, "connectionSpec": spec{kinesisSpec, specVersion}, "baseConnectionId": accountID,
		"data": map[string]any{"format": "json"}, "params": map[string]any{"stream": stream, "marketingActions": values["params.marketingActions"]},
	})
	if err != nil {
		return "", err
	}
	profile := spec{profileSpec, specVersion}
	base, err := p.profileBase(create)
	if err != nil {
		return "", err
	}
	source, err := create("sourceConnections", map[string]any{
		"name": name, "connectionSpec": profile, "baseConnectionId": base, "data": map[string]any{"format": "json"},
		"params": map[string]any{"source": values.Get("params.source")},
	})
	if err != nil {
		return "", err
	}
	return create("flows", map[string]any{
		"name": name, "description": description, "flowSpec": spec{flowSpec, specVersion},
		"sourceConnectionIds": []string{source}, "targetConnectionIds": []string{target},
	})
}

// profileBase is the connection that source connections go by: one for all.
func (p *page) profileBase(create func(kind string, body map[string]any) (string, error)) (string, error) {
	var found list[account]
	query := url.Values{"limit": {"1"}, "orderby": {"createdAt"}, "property": {"connectionSpec.id==" + profileSpec}}
	if err := p.get(p.ctx(), flowService+"/connections?"+query.Encode(), &found); err != nil {
		return "", err
	}
	if len(found.Items) > 0 {
		return found.Items[0].ID, nil
	}
	return create("connections", map[string]any{"name": "Profile Service", "connectionSpec": spec{profileSpec, specVersion}})
}
