package server_test

import (
	"path/filepath"
	"testing"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/server"
)

// To make a flow is one permission, to say what leaves by it another, however the flow
// comes by it.
func TestAFlowWithSelectorsTakesThePermissionToActivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	tokens := map[string]string{}
	for name, permissions := range map[string][]api.Permission{"manager": {api.Manage}, "admin": {api.Manage, api.Activate}} {
		var err error
		if tokens[name], err = server.CreateToken(file, name, permissions, nil); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, func(o *server.Options) {
		var err error
		if o.Tokens, err = server.OpenTokens(file); err != nil {
			t.Fatal(err)
		}
	})
	r.header.Set("Authorization", "Bearer "+tokens["manager"])
	m := r.flow(leads) // without selectors
	const segment, attribute = `{"type":"PLATFORM_SEGMENT","value":{"id":"vip"}}`, `{"type":"JSON_PATH","value":{"path":"personalEmail.address"}}`
	made := flowservice + "/flows"
	at := made + "/import?baseConnectionId=" + m.base + "&validate=false"
	yaml := `
name: leads-by-file
source:
  kafka: {brokers: ["localhost:9092"], topic: segment-evaluations}
  schemaRegistry: {url: ` + r.options.Sources[0].Registry.URL + `}
target: {kinesis: {region: us-east-1, stream: leads}}
activation: {segments: [{id: vip, name: Very important persons}]}
`
	const missing = "The permission activate is missing"
	r.call("POST", made, flowBody("Leads", m.source, m.target, "", segment)).is(403).says(missing)
	r.call("POST", made, flowBody("Leads", m.source, m.target, attribute, "")).is(403).says(missing)
	r.call("POST", at, yaml, "Content-Type", "application/yaml").is(403).says(missing)
	r.header.Set("Authorization", "Bearer "+tokens["admin"])
	r.call("POST", made, flowBody("Leads", m.source, m.target, attribute, segment)).is(201)
	r.call("POST", at, yaml, "Content-Type", "application/yaml").is(201)
}
