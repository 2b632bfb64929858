package company

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/leads"
)

// The streams of the company. The agency's is there when its flow is made, and gone
// afterwards: whoever runs the demo deletes it.
const (
	SalesStream  = "sales-leads"
	ShopStream   = "shop-customers"
	AgencyStream = "newsletter-agency"
)

// The sources that its flows read, by their names.
const (
	Website = "website"
	Shop    = "web-shop"
)

const (
	region      = "us-east-1"
	flowService = "/data/foundation/flowservice"
	mostAnswer  = 1 << 20
	callTime    = 30 * time.Second
)

// Sources are the files of the two sources, by their names.
func Sources(brokers []string, registry, websiteTopic, shopTopic string) map[string]string {
	source := func(name, description, topic string) string {
		return fmt.Sprintf(`name: %s
description: %s
kafka: {brokers: ["%s"], topic: %s}
schemaRegistry: {url: "%s"}
segments:
  - {id: %s, name: High propensity to convert, description: Downloaded a white paper and came back}
  - {id: %s, name: Newsletter readers, description: Subscribed and confirmed}
`, name, description, strings.Join(brokers, `", "`), topic, registry, leads.HighPropensity, leads.Newsletter)
	}
	return map[string]string{
		Website: source(Website, "Visitors of the website who left an address", websiteTopic),
		Shop:    source(Shop, "Customers of the web shop", shopTopic),
	}
}

// Flow is one of the company's.
type Flow struct {
	ID, Name, Stream string
	source           string
	what             string
	segments         [][2]string
	attributes       []string
}

// flows are those of the company, as they are made.
func flows() []Flow {
	high, news := [2]string{leads.HighPropensity, "High propensity to convert"}, [2]string{leads.Newsletter, "Newsletter readers"}
	return []Flow{
		{Name: "White-paper leads for sales", what: "Whoever may buy, with an address to call on", Stream: SalesStream, source: Website, segments: [][2]string{high, news}, attributes: []string{"person.email", "loyalty.points"}},
		{Name: "Shop customers for the data lake", what: "Everybody in a segment, with the points collected", Stream: ShopStream, source: Shop, segments: [][2]string{high, news}, attributes: []string{"loyalty.points", "homeAddress.city"}},
		{Name: "Newsletter agency", what: "Readers, for the agency that writes to them", Stream: AgencyStream, source: Shop, segments: [][2]string{news}, attributes: []string{"person.email"}},
	}
}

// Plane is a control plane without tokens, at an address of this machine.
type Plane struct {
	URL    string
	client http.Client
}

// Make makes the account, and of each stream a flow that is activated.
func (p *Plane) Make(ctx context.Context) ([]Flow, error) {
	sourceBase, err := p.make(ctx, "connections", object{"name": "Profiles of the company", "connectionSpec": profiles})
	if err != nil {
		return nil, err
	}
	account, err := p.make(ctx, "connections", object{
		"name": "AWS of marketing", "description": "Account 000000000000", "connectionSpec": kinesis,
		"auth": object{"specName": "Aws Kinesis authentication credentials", "params": object{"accessKeyId": "demo", "secretKey": "demo", "region": region}},
	})
	if err != nil {
		return nil, err
	}
	made := flows()
	for i := range made {
		if made[i].ID, err = p.flow(ctx, &made[i], sourceBase, account); err != nil {
			return nil, fmt.Errorf("flow %q: %w", made[i].Name, err)
		}
	}
	return made, nil
}

type object = map[string]any

// The platform's ids of what is connected.
var (
	profiles = object{"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}
	kinesis  = object{"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"}
	flowSpec = object{"id": "71471eba-b620-49e4-90fd-23f1fa0174d8", "version": "1.0"}
)

func (p *Plane) flow(ctx context.Context, f *Flow, sourceBase, account string) (string, error) {
	source, err := p.make(ctx, "sourceConnections", object{
		"name": f.source, "connectionSpec": profiles, "baseConnectionId": sourceBase, "data": object{"format": "json"}, "params": object{"source": f.source},
	})
	if err != nil {
		return "", err
	}
	target, err := p.make(ctx, "targetConnections", object{
		"name": f.Name, "connectionSpec": kinesis, "baseConnectionId": account, "data": object{"format": "json"},
		"params": object{"stream": f.Stream, "region": region, "includeSegmentNames": true},
	})
	if err != nil {
		return "", err
	}
	var segments, attributes []object
	for _, s := range f.segments {
		segments = append(segments, object{"type": "PLATFORM_SEGMENT", "value": object{"id": s[0], "name": s[1]}})
	}
	for _, a := range f.attributes {
		attributes = append(attributes, object{"type": "JSON_PATH", "value": object{"path": a, "operator": "EXISTS"}})
	}
	return p.make(ctx, "flows", object{
		"name": f.Name, "description": f.what, "flowSpec": flowSpec, "sourceConnectionIds": []string{source}, "targetConnectionIds": []string{target},
		"transformations": []object{{"name": "GeneralTransform", "params": object{
			"segmentSelectors": object{"selectors": segments}, "profileSelectors": object{"selectors": attributes},
		}}},
	})
}

func (p *Plane) make(ctx context.Context, kind string, document object) (id string, err error) {
	body, err := json.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("write a document: %w", err)
	}
	text, err := p.call(ctx, http.MethodPost, "/"+kind, body)
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	if err := json.Unmarshal(text, &made); err != nil {
		return "", fmt.Errorf("read the answer to POST /%s: %w", kind, err)
	}
	return made.ID, nil
}

// File is a flow as a destination's file, by which the commands find it.
func (p *Plane) File(ctx context.Context, id string) (string, error) {
	text, err := p.call(ctx, http.MethodGet, "/flows/"+url.PathEscape(id)+"/export", nil)
	return string(text), err
}

// call makes a call of the flow service and returns what it answers.
func (p *Plane) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, p.URL+flowService+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("call the control plane: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("call the control plane: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it has been read
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return text, nil
}
