package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/server"
)

// withTokens is a control plane with a token for each set of permissions, and a clock.
func withTokens(t *testing.T, now *time.Time) (*rig, map[string]string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	tokens := map[string]string{}
	for name, permissions := range map[string][]api.Permission{"viewer": {api.View}, "admin": {api.View, api.Manage, api.Activate}} {
		var err error
		if tokens[name], err = server.CreateToken(file, name, permissions, []string{"prod"}); err != nil {
			t.Fatal(err)
		}
	}
	opened, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, func(o *server.Options) { o.Tokens, o.Now = opened, func() time.Time { return *now } }), tokens
}

// refusedNotes are the notes that the audit has of refused attempts.
func (r *rig) refusedNotes() []documents.Change {
	var notes []documents.Change
	for _, c := range r.store.Changes() {
		if c.Refused != "" {
			notes = append(notes, c)
		}
	}
	return notes
}

func TestARefusedAttemptIsInTheAuditWithWhoWhatAndFromWhichVersion(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	r, tokens := withTokens(t, &now)
	as := func(name string) { r.header.Set("Authorization", "Bearer "+tokens[name]) }
	as("admin")
	m := r.flow(thirdParty)
	etag := strings.Trim(m.etag, `"`)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", "0a1b2c3d-older").is(412)
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200)
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", "mobilePhone.number"), "If-Match", m.etag).is(409)
	r.call("DELETE", flowservice+"/flows/"+m.flow, "", "x-sandbox-name", "dev").is(404)
	as("viewer")
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("a", ""), "If-Match", m.etag).is(403)
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":[]}`).is(403)
	r.call("DELETE", flowservice+"/flows/"+m.flow, "", "Authorization", "Bearer wrong").is(401)
	r.call("POST", flowservice+"/connections", accountBody(accessKey), "Authorization", "").is(403)
	r.call("GET", flowservice+"/flows", "", "Authorization", "Bearer wrong").is(401) // it would have changed nothing
	want := []struct{ by, why, key, base, refused string }{
		{"admin", "PATCH /flows/" + m.flow, m.flow, etag, "0a1b2c3d-older"},
		{"admin", "PATCH /flows/" + m.flow, m.flow, etag, "would violate"},
		{"admin", "DELETE /flows/" + m.flow, "", "", "dev"},
		{"viewer", "PATCH /flows/" + m.flow + ", from version " + etag, m.flow, etag, "activate"},
		{"viewer", "PUT /enabledCorePolicies", "", "", "manage"},
		{"unknown, from 127.0.0.1", "DELETE /flows/" + m.flow, m.flow, etag, "token"},
		{"unknown, from 127.0.0.1", "POST /connections", "", "", ""},
	}
	notes := r.refusedNotes()
	if len(notes) != len(want) {
		t.Fatalf("%d notes: %+v", len(notes), notes)
	}
	for i, w := range want {
		n := notes[i]
		if n.By != w.by || n.Why != w.why || !strings.Contains(n.Refused, w.refused) || (w.key == "") != (len(n.Writes) == 0) {
			t.Errorf("%d: %+v", i, n)
		} else if w.key != "" && (!strings.HasSuffix(n.Writes[0].Key, w.key) || n.Writes[0].Base != w.base || n.Writes[0].Doc != nil) {
			t.Errorf("%d: %+v", i, n.Writes)
		}
		if strings.Contains(fmt.Sprint(n), "wrong") || strings.Contains(fmt.Sprint(n), accessKey) {
			t.Errorf("a credential is in the audit: %+v", n)
		}
	}
}

func TestAFloodOfRefusedAttemptsDoesNotFillTheJournal(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	r, tokens := withTokens(t, &now)
	attempt := func(from, token string) {
		request := httptest.NewRequest("DELETE", "http://localhost"+flowservice+"/flows/a", nil)
		request.RemoteAddr = from + ":4711"
		request.Header.Set("Authorization", "Bearer "+token)
		r.server.ServeHTTP(httptest.NewRecorder(), request)
	}
	for range 500 {
		attempt("10.0.0.1", "wrong")
	}
	if n := len(r.refusedNotes()); n != 20 {
		t.Fatalf("one caller has %d notes", n)
	}
	attempt("10.0.0.2", tokens["viewer"])
	if n := len(r.refusedNotes()); n != 21 {
		t.Fatalf("the flood of one keeps out another: %d notes", n)
	}
	now = now.Add(time.Minute)
	attempt("10.0.0.1", "wrong")
	notes := r.refusedNotes()
	if last := notes[len(notes)-1]; len(notes) != 22 || !strings.Contains(last.Refused, "480 attempts before it, since 2026-11-28T12:00:00Z") {
		t.Errorf("the next note does not say what came before it: %+v", last)
	}
	for day := now.Add(24 * time.Hour); now.Before(day); now = now.Add(10 * time.Second) {
		for i := range 3 {
			attempt(fmt.Sprintf("10.0.%d.%d", now.Minute(), i), "wrong")
		}
	}
	if n := len(r.refusedNotes()) - len(notes); n > 2880+60 {
		t.Errorf("a day of them left %d notes", n)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.server)
	shown := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(shown, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if text := shown.Body.String(); !strings.Contains(text, `refused_total{noted="yes",status="403"} 1`) || strings.Contains(text, `refused_total{noted="no",status="401"} 0`) {
		t.Errorf("%s", text)
	}
}

func TestACallerWithoutARightIsAnsweredWhereTheJournalTakesNoNote(t *testing.T) {
	now := time.Now()
	r, tokens := withTokens(t, &now)
	r.store.Fail = func(documents.Change) error { return documents.ErrReadOnly }
	r.header.Set("Authorization", "Bearer "+tokens["viewer"])
	r.call("DELETE", flowservice+"/flows/a", "").is(403)
	if !strings.Contains(r.log.String(), "a refused attempt is missing in the audit") {
		t.Errorf("%s", r.log.String())
	}
}
