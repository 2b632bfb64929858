package server_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestAnAccountIsTestedWhenItIsMade(t *testing.T) {
	r := newRig(t)
	r.call("POST", flowservice+"/connections", accountBody("AKIAWRONGWRONGWRONGX")).is(400).says("UnrecognizedClientException", "validate=false", "report")
	untested := r.call("POST", flowservice+"/connections?validate=false", accountBody("AKIAWRONGWRONGWRONGX")).is(201).says("not tested").str("id")
	if v := r.call("GET", flowservice+"/connections/"+untested, "").is(200).get("items", 0, "validated"); v != false {
		t.Errorf("an untested account says validated %v", v)
	}
	r.call("GET", flowservice+"/connections/"+untested+"/test", "").is(200).says(`"result":false`)
	base := r.account()
	shown := r.call("GET", flowservice+"/connections/"+base, "").is(200)
	if shown.get("items", 0, "validated") != true || shown.str("items", 0, "auth", "params", "region") != "us-east-1" {
		t.Errorf("the account: %s", shown.text)
	}
	r.call("GET", flowservice+"/connections/"+base+"/test", "").is(200).says(`"result":true`, "milliseconds")
	// A name alone needs no test, and keeps the keys.
	etag := shown.str("items", 0, "etag")
	r.call("PATCH", flowservice+"/connections/"+base, `[{"op":"replace","path":"/name","value":"Another"}]`, "If-Match", etag).is(202)
	r.call("GET", flowservice+"/connections/"+base+"/test", "").is(200).says(`"result":true`)
}

func TestAStreamIsTestedWhenItIsNamed(t *testing.T) {
	r := newRig(t)
	base := r.account()
	r.target(base, `{"stream":"nowhere"}`).is(400).says("params.stream", "ResourceNotFound")
	r.kinesis.Create(embeddedkinesis.Stream{Name: "unordered", OnDemand: true, Strategy: "AUTO"})
	r.target(base, `{"stream":"unordered"}`).is(400).says("USER_PARTITION_KEY")
	r.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
		if c.Operation == "PutRecords" || c.Operation == "ListStreams" {
			return embeddedkinesis.Action{Code: "AccessDeniedException"}
		}
		return embeddedkinesis.Action{}
	})
	refused := r.target(base, leads).is(400).says("kinesis:PutRecords", "is missing")
	if got := refused.str("report", "policy", "Statement", 1, "Action"); got != "kinesis:PutRecords" {
		t.Errorf("the policy to add: %s", refused.text)
	}
	r.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
		if c.Operation == "ListStreams" {
			return embeddedkinesis.Action{Code: "AccessDeniedException"}
		}
		return embeddedkinesis.Action{}
	})
	id := r.target(base, leads).is(201).str("id")
	if v := r.call("GET", flowservice+"/targetConnections/"+id, "").is(200).get("items", 0, "validated"); v != true {
		t.Errorf("validated is %v", v)
	}
	if n := len(r.kinesis.History("leads")); n != 0 {
		t.Errorf("the test wrote %d records", n)
	}
}

func TestARoleIsGivenAnExternalIDBeforeItIsMade(t *testing.T) {
	r := newRig(t, func(o *server.Options) { o.Identity = "arn:aws:iam::123456789012:role/control-plane" })
	body := `{"name":"Role","connectionSpec":{"id":"` + kinesisSpec + `","version":"1.0"},"auth":{"specName":"Aws Kinesis assumed role","params":{"region":"us-east-1"}}}`
	id := r.call("POST", flowservice+"/connections", body).is(201).says("external id").str("id")
	got := r.call("GET", flowservice+"/connections/"+id, "").is(200)
	external := got.str("items", 0, "externalId")
	if len(external) < 20 || got.str("items", 0, "state") != "initializing" {
		t.Errorf("the connection: %s", got.text)
	}
	if got.str("items", 0, "trustPolicy", "Statement", 0, "Condition", "StringEquals", "sts:ExternalId") != external || got.str("items", 0, "trustPolicy", "Statement", 0, "Principal", "AWS") != "arn:aws:iam::123456789012:role/control-plane" {
		t.Errorf("the trust policy: %s", got.text)
	}
	r.call("GET", flowservice+"/connections/"+id+"/test", "").is(200).says(`"result":false`)
	patch := `[{"op":"add","path":"/auth/params/roleArn","value":"arn:aws:iam::123456789012:role/leads"}]`
	r.call("PATCH", flowservice+"/connections/"+id+"?validate=false", strings.Replace(patch, "arn:aws:iam", "arn", 1), "If-Match", got.str("items", 0, "etag")).is(400).says("auth.params.roleArn")
	r.call("PATCH", flowservice+"/connections/"+id+"?validate=false", patch, "If-Match", got.str("items", 0, "etag")).is(202)
	after := r.call("GET", flowservice+"/connections/"+id, "").is(200)
	if after.str("items", 0, "state") != "enabled" || after.str("items", 0, "externalId") != external {
		t.Errorf("after the role is known: %s", after.text)
	}
	r.call("PATCH", flowservice+"/connections/"+id, `[{"op":"add","path":"/externalId","value":"mine"}]`, "If-Match", after.str("items", 0, "etag")).is(400)
}

func TestTheIdentityOfTheProcessIsNotForEveryone(t *testing.T) {
	body := `{"name":"Default","connectionSpec":{"id":"` + kinesisSpec + `","version":"1.0"},"auth":{"specName":"Aws Kinesis default chain","params":{"region":"us-east-1"}}}`
	newRig(t).call("POST", flowservice+"/connections?validate=false", body).is(400).says("--default-credentials")
	newRig(t, func(o *server.Options) { o.AllowDefaultChain = true }).call("POST", flowservice+"/connections?validate=false", body).is(201)
}

func TestAKeyPairIsReplacedAsAWhole(t *testing.T) {
	r := newRig(t)
	base := r.account()
	etag := r.call("GET", flowservice+"/connections/"+base, "").is(200).str("items", 0, "etag")
	at := flowservice + "/connections/" + base
	r.call("PATCH", at, `[{"op":"add","path":"/auth/params/secretKey","value":"onlyhalf"}]`, "If-Match", etag).is(400).says("auth.params.secretKey", "half a key pair")
	r.call("PATCH", at, `[{"op":"replace","path":"/auth/params","value":{"accessKeyId":"AKIAWRONGWRONGWRONGX","secretKey":"other","region":"us-east-1"}}]`, "If-Match", etag).is(400).says("UnrecognizedClientException")
	r.call("PATCH", at, `[{"op":"replace","path":"/auth/params","value":{"accessKeyId":"`+accessKey+`","secretKey":"other","region":"us-east-1"}}]`, "If-Match", etag).is(202)
	r.call("POST", flowservice+"/connections", strings.Replace(accountBody("has blank"), "us-east-1", "", 1)).is(400).says("auth.params.accessKeyId", "auth.params.region")
}

// blindSeal has lost its key.
type blindSeal struct{ toySeal }

func (blindSeal) Open(string, string, json.RawMessage) ([]byte, error) {
	return nil, errors.New("no such key")
}

func TestCredentialsWithoutTheirKeySayWhichKeyIsMissing(t *testing.T) {
	r := newRig(t, func(o *server.Options) { o.Sealer = blindSeal{} })
	base := r.account() // it is tested before it is sealed
	r.target(base, leads).is(400).says("--seal-keys", base)
	r.call("GET", flowservice+"/connections/"+base+"/test", "").is(400).says("--seal-keys")
	r.call("GET", flowservice+"/connections/"+base, "").is(200)
}

// TestARegionThatIsNoneIsWarnedOf: behind an endpoint it is taken, and AWS adds regions.
func TestARegionThatIsNoneIsWarnedOf(t *testing.T) {
	r := newRig(t)
	body := `{"name":"a","connectionSpec":{"id":"` + kinesisSpec + `","version":"1.0"},"auth":{"specName":"Aws Kinesis authentication credentials","params":{"accessKeyId":"` + accessKey + `","secretKey":"` + secretKey + `","region":"%s"}}}`
	r.call("POST", flowservice+"/connections?validate=false", strings.Replace(body, "%s", "us-east1", 1)).is(201).says("auth.params.region", "did you mean us-east-1?")
	if got := r.call("POST", flowservice+"/connections?validate=false", strings.Replace(body, "%s", "us-east-1", 1)).is(201); strings.Contains(got.text, "did you mean") {
		t.Errorf("%s", got.text)
	}
}
