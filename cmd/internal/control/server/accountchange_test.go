package server_test

import "testing"

// A flow that runs would be refused by what its account has become.
func TestAChangeOfAnAccountIsJudgedForTheTargetConnectionsThatGoByIt(t *testing.T) {
	r := newRig(t)
	base := r.account()
	id := r.call("POST", flowservice+"/targetConnections?validate=false", targetBody(base, `{"stream":"arn:aws:kinesis:us-east-1:123456789012:stream/leads"}`)).is(201).str("id")
	etag := r.call("GET", flowservice+"/connections/"+base, "").is(200).str("items", 0, "etag")
	at := flowservice + "/connections/" + base + "?validate=false"
	const elsewhere = `[{"op":"replace","path":"/auth/params/region","value":"eu-west-1"}]`
	r.call("PATCH", at, elsewhere, "If-Match", etag).is(400).says(`"field":"targetConnections/`+id+`.params.stream"`, "names another region", "goes by this account")
	// New keys are no affair of the stream.
	const keys = `[{"op":"add","path":"/auth/params/accessKeyId","value":"` + accessKey + `"},{"op":"add","path":"/auth/params/secretKey","value":"` + secretKey + `"}]`
	etag = r.call("PATCH", at, keys, "If-Match", etag).is(202).str("etag")
	r.call("DELETE", flowservice+"/targetConnections/"+id, "").is(202)
	r.call("PATCH", at, elsewhere, "If-Match", etag).is(202)
}
