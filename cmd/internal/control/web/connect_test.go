package web_test

import (
	"strings"
	"testing"

	"kinesis-destination/sink/embeddedkinesis"
)

// connected connects an account as a form does, and returns the address to go on at.
func (r *rig) connected() string {
	r.t.Helper()
	return r.post("/s/prod/accounts", "auth", "keys", "name", "AWS of marketing", "auth.params.accessKeyId", accessKey, "auth.params.secretKey", secretKey, "auth.params.region", "us-east-1").
		is(200).has("The account is connected").path
}

func TestAnAccountIsConnectedByKeys(t *testing.T) {
	r := newRig(t)
	r.get("/s/prod/connect").has("Connect a new account", "AWS keys", "A role to assume").hasNot("<table>")
	r.get("/s/prod/accounts/new").has("Access key id", `aria-current="step"`)
	at := r.connected()
	if !strings.HasPrefix(at, "/s/prod/connect/") {
		t.Errorf("at %s", at)
	}
	r.get("/s/prod/connect").has("AWS of marketing", "/s/prod/connect/")
	account := r.get("/s/prod/connect").find(`href="/s/prod/accounts/([0-9a-f-]{36})"`)
	r.get("/s/prod/accounts/"+account).has("AWS of marketing", "Delete this account")
	r.post("/s/prod/accounts/"+account, "go", "test").has("kinesis:ListStreams", "works:")
	etag := r.get("/s/prod/accounts/" + account).find(`name="etag" value="&#34;([^"]*)&#34;"`)
	r.post("/s/prod/accounts/"+account, "etag", etag, "auth", "keys", "name", "Renamed", "auth.params.region", "us-east-1").at("/s/prod/accounts/" + account + "?done=account.changed").has("Renamed")
	r.post("/s/prod/accounts/"+account, "etag", etag, "auth", "keys", "name", "Late", "auth.params.region", "us-east-1").is(412).has("does not match the current version")
	r.post("/s/prod/accounts/"+account, "go", "delete", "confirm", "renamed").is(400).has("type the name as it is: Renamed")
	r.post("/s/prod/accounts/"+account, "go", "delete", "confirm", "Renamed").has("The account is deleted")
}

func TestWhatIsWrongWithAnAccountIsSaidAtItsFieldsInTheAPIsWords(t *testing.T) {
	r := newRig(t)
	bad := r.post("/s/prod/accounts", "auth", "keys", "name", "", "auth.params.accessKeyId", accessKey, "auth.params.region", "us east")
	bad.is(400).has(`id="errors"`, `href="#f-name"`, "is required", `href="#f-auth-params-secretKey"`, `href="#f-auth-params-region"`, `aria-invalid="true"`)
	r.post("/s/prod/accounts", "auth", "keys", "name", "a", "auth.params.accessKeyId", accessKey, "auth.params.secretKey", secretKey, "auth.params.region", "us-east-1", "auth.params.connectionUrl", "http://169.254.169.254/").
		is(400).has("must be an https address of AWS", "<details open>")
	wrong := r.post("/s/prod/accounts", "auth", "keys", "name", "<b>mine</b>", "description", "kept", "auth.params.accessKeyId", "AKIAWRONGWRONGWRONG1", "auth.params.secretKey", secretKey, "auth.params.region", "us-east-1")
	wrong.is(400).has("does not work:", "Save untested", "&lt;b&gt;mine&lt;/b&gt;").hasNot("AKIAWRONG", "<b>mine")
	// What was filled in is there after a reload, and no secret is.
	r.get("/s/prod/accounts/new?auth=keys").has("&lt;b&gt;mine&lt;/b&gt;", "kept").hasNot("AKIAWRONG")
	r.post("/s/prod/accounts", "auth", "keys", "untested", "1", "name", "untested", "auth.params.accessKeyId", "AKIAWRONGWRONGWRONG1", "auth.params.secretKey", secretKey, "auth.params.region", "us-east-1").is(200)
	r.get("/s/prod/accounts").has("untested")
	r.get("/s/prod/accounts/nothing").is(404)
	r.post("/s/prod/accounts", "auth", "default", "name", "own", "auth.params.region", "us-east-1").is(400).has("--default-credentials allows it")
}

func TestARoleBringsOurExternalIDAndTheTrustPolicy(t *testing.T) {
	r := newRig(t)
	s := r.post("/s/prod/accounts", "auth", "role", "name", "by role", "auth.params.region", "eu-west-1").is(200)
	s.has("The account is kept", "sts:ExternalId", "sts:AssumeRole", "give its ARN here")
	if external := s.find(`<code>([A-Z2-7]{26})</code>`); strings.Count(s.text, external) < 2 {
		t.Error("the trust policy has another external id")
	}
	r.get("/s/prod/connect").has("the role is not known yet")
}

func TestADestinationIsSetUpOnAStreamThatIsListedOrTyped(t *testing.T) {
	r := newRig(t)
	r.kinesis.Create(embeddedkinesis.Stream{Name: "second", Shards: 3})
	r.kinesis.Create(embeddedkinesis.Stream{Name: "spread", OnDemand: true, Strategy: "AUTO"})
	at := r.connected()
	at, _, _ = strings.Cut(at, "?")
	r.post(at, "name", "x", "params.stream", "spread").is(400).has("ignores partition keys")
	r.get(at).has("ignores partition keys", `value="spread" disabled`)
	r.get(at).has(">leads<", ">second<", "ACTIVE", `<td class="n">3</td>`, "exportToThirdParty", "Not in force:", "objects to C2")
	bad := r.post(at, "name", "", "params.stream", "no such stream!", "params.marketingActions", "no such action")
	bad.is(400).has(`href="#f-name"`, `href="#f-params-stream"`, `href="#f-params-marketingActions"`)
	r.post(at, "name", "x", "params.stream", "nowhere").is(400).has("ResourceNotFound", "Save untested")
	r.get(at).has(`value="nowhere"`)
	r.post(at, "name", "Leads", "description", "for sales", "listed", "leads", "params.marketingActions", "exportToThirdParty", "go", "exit")
	r.get("/s/prod/flows").has("Leads", ">leads<")
	r.post(at, "name", "Second", "listed", "leads", "params.stream", "second", "go", "exit")
	r.get("/s/prod/flows?q=Second").has(">second<")
	if n := len(r.api("GET", flowservice+"/sourceConnections", "")["items"].([]any)); n != 2 {
		t.Errorf("%d source connections: what a refused form needed was left behind", n)
	}
}
