package server_test

import (
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/server"
)

// Who takes --default-credentials away means the connections that there are, too.
func TestTheIdentityOfTheProcessIsUsedNoMoreOnceThatIsNotAllowed(t *testing.T) {
	allowed := newRig(t, func(o *server.Options) { o.AllowDefaultChain = true })
	account := `{"name":"Own","connectionSpec":{"id":"` + kinesisSpec + `","version":"1.0"},"auth":{"specName":"Aws Kinesis default chain","params":{"region":"us-east-1"}}}`
	base := allowed.call("POST", flowservice+"/connections?validate=false", account).is(201).str("id")
	target := allowed.call("POST", flowservice+"/targetConnections?validate=false", targetBody(base, leads)).is(201).str("id")
	source := allowed.source(allowed.profiles(), `{}`)
	flow := allowed.call("POST", flowservice+"/flows", flowBody("Leads", source, target, "", `{"type":"PLATFORM_SEGMENT","value":{"id":"vip"}}`)).is(201).str("id")
	job := flowservice + "/flows/" + flow + "/jobs"
	if text := allowed.call("POST", job, `{"op":"replay","id":"a b"}`).is(400).text; strings.Contains(text, "default-credentials") {
		t.Errorf("it is allowed: %s", text)
	}
	r := newRig(t, func(o *server.Options) { o.Store = allowed.store })
	const reason = "--default-credentials"
	r.call("POST", job, `{"op":"replay","id":"a b"}`).is(400).says(reason, base)
	r.call("GET", flowservice+"/connections/"+base+"/test", "").is(400).says(reason)
	r.call("GET", flowservice+"/connections/"+base+"/streams", "").is(400).says(reason)
	r.call("POST", flowservice+"/targetConnections", targetBody(base, leads)).is(400).says(reason)
}
