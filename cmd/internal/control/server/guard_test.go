package server_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/server"
)

func TestARequestUnderAnotherNameOrOfAnotherSiteIsRefused(t *testing.T) {
	r := newRig(t)
	ask := func(host string, header ...string) int {
		request := httptest.NewRequest("POST", "http://"+host+flowservice+"/connections", strings.NewReader(`{}`))
		request.Host = host
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		recorder := httptest.NewRecorder()
		r.server.ServeHTTP(recorder, request)
		return recorder.Code
	}
	for _, host := range []string{"localhost:8090", "127.0.0.1:8090", "[::1]:8090", "localhost"} {
		if got := ask(host); got != http.StatusBadRequest {
			t.Errorf("%s: %d", host, got)
		}
	}
	for _, host := range []string{"rebound.example:8090", "127.0.0.1.example", "10.0.0.1"} {
		if got := ask(host); got != http.StatusForbidden {
			t.Errorf("%s: %d", host, got)
		}
	}
	if got := ask("localhost:8090", "Origin", "https://evil.example"); got != http.StatusForbidden {
		t.Errorf("another origin: %d", got)
	}
	if got := ask("localhost:8090", "Sec-Fetch-Site", "cross-site"); got != http.StatusForbidden {
		t.Errorf("another site: %d", got)
	}
}

func TestATokenDoesWhatItIsFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	tokens := map[string]string{}
	for name, permissions := range map[string][]api.Permission{"viewer": {api.View}, "marketer": {api.View, api.Activate}, "admin": {api.View, api.Manage, api.Activate}} {
		var err error
		if tokens[name], err = server.CreateToken(file, name, permissions, []string{"prod"}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *server.Options) { o.Tokens = opened })
	as := func(name string) { r.header.Set("Authorization", "Bearer "+tokens[name]) }
	r.call("GET", flowservice+"/flows", "", "Authorization", "").is(403).says("403010")
	r.call("GET", flowservice+"/flows", "", "Authorization", "Bearer wrong").is(401).says("401013")
	as("admin")
	m := r.flow(leads)
	r.call("GET", flowservice+"/flows", "", "x-sandbox-name", "dev").is(404)
	if by := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).str("items", 0, "createdBy"); by != "admin" {
		t.Errorf("createdBy is %s", by)
	}
	as("viewer")
	r.call("GET", flowservice+"/flows/"+m.flow, "").is(200)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", m.etag).is(403).says("2118-403", "activate")
	as("marketer")
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", m.etag).is(202)
	r.call("DELETE", flowservice+"/flows/"+m.flow, "").is(403)
	r.call("POST", flowservice+"/connections", accountBody(accessKey)).is(403).says("manage")
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":[]}`).is(403)
	for _, token := range tokens {
		if strings.Contains(string(text), token) || strings.Contains(r.log.String(), token) {
			t.Error("a token is kept as it is")
		}
	}
	if err := server.RevokeToken(file, "marketer"); err != nil {
		t.Fatal(err)
	}
	if again, err := server.OpenTokens(file); err != nil {
		t.Fatal(err)
	} else {
		r = newRig(t, func(o *server.Options) { o.Tokens = again })
	}
	as("marketer")
	r.call("GET", flowservice+"/flows", "").is(401)
}

func TestACallerIsAnsweredAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // however long a busy machine takes
		r := newRig(t)
		statuses := map[int]int{}
		for range 5000 {
			request := httptest.NewRequest("GET", "http://localhost"+flowservice+"/flowSpecs", nil)
			recorder := httptest.NewRecorder()
			r.server.ServeHTTP(recorder, request)
			statuses[recorder.Code]++
			if recorder.Code == http.StatusTooManyRequests && recorder.Header().Get("Retry-After") == "" {
				t.Fatal("a refusal does not say when to try again")
			}
		}
		if statuses[200] < 2000 || statuses[429] == 0 {
			t.Errorf("answered: %v", statuses)
		}
	})
}

func TestWhatIsNoCallSaysSo(t *testing.T) {
	r := newRig(t)
	r.call("GET", "/data/foundation/flowservice/nothing", "").is(404).says("openapi.yaml")
	if got := r.call("PUT", flowservice+"/flows", "{}").is(405); got.header.Get("Allow") == "" {
		t.Error("a refused method does not say which there are")
	}
}

func TestAPanicIsAnsweredAndQuotesNothing(t *testing.T) {
	r := newRig(t)
	r.store.Fail = func(documents.Change) error { panic("hush " + secretKey) }
	r.call("POST", flowservice+"/connections", `{"name":"a","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"}}`).is(500).says("1102-500")
	if strings.Contains(r.log.String(), secretKey) || !strings.Contains(r.log.String(), "a request panicked") {
		t.Errorf("the log: %s", r.log.String())
	}
}
