package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/web"
)

// company is a control plane that has something to show on every screen.
func company(t *testing.T) (r *rig, at string) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Hour)
	f := &fakePlane{
		status:  &web.FlowStatus{State: "held", Reason: "stream-missing", Detail: "ResourceNotFoundException: Stream leads under account 123456789012 not found", Since: now.Add(-90 * time.Minute), Lag: 18_204, LagSeconds: 5_412},
		waiting: &web.Waiting{Topic: "segment-evaluations", Kept: 7 * 24 * time.Hour, Events: 18_204, Oldest: now.Add(-90 * time.Minute)},
		causes: []web.LetterCause{{Stage: "sink", Reason: "rejected", Count: 31, First: now.Add(-30 * time.Hour), Last: now.Add(-2 * time.Hour), Sample: &web.LetterSample{
			Topic: "segment-evaluations", Partition: 3, Offset: 99_120, At: now.Add(-2 * time.Hour), Detail: "ValidationException", Event: []byte(`{"profileId":"***","segmentMembership":{"ups":{"propensity":{"status":"realized"}}},"person":{"name":"***"}}`),
		}}, {Stage: "decode", Reason: "malformed", Count: 4, First: now.Add(-9 * time.Hour), Last: now.Add(-9 * time.Hour)}},
	}
	for i := range 48 {
		n := int64(900 + 400*(i%24) - 13*(i%24)*(i%24))
		f.hours = append(f.hours, web.Hour{At: now.Add(time.Duration(i-48) * time.Hour), Counts: web.Counts{
			Received: n + 170, Activated: n, Excluded: map[string]int64{"consent": 100, "unmapped-segment": 45}, Failed: map[string]int64{"rejected": 20}, UnderWay: 5,
			Segments: map[string]int64{"propensity": n - 90, "vip": 90},
		}})
	}
	r = newRig(t, operated(t, f))
	m := r.made("High-propensity leads")
	for _, name := range []string{"Win back lapsed customers", "Subscribers near a shop"} {
		r.flow(name, m)
	}
	id := r.flow("White-paper leads for sales", m)
	at = "/s/prod/flows/" + id
	r.patch(id, `[{"op":"add","path":"/description","value":"Leads who asked for the white paper, for the sales data lake"},
		{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"propensity","name":"High propensity to convert"}}},
		{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"vip","name":"Very important persons"}}},
		{"op":"add","path":"/transformations/0/params/profileSelectors/selectors/-","value":{"type":"JSON_PATH","value":{"path":"person.name"}}}]`)
	r.post("/s/prod/governance/actions", "name", "winback", "description", "Write to customers who left")
	r.post("/s/prod/governance/policy", "name", "No win-back of minors", "status", "ENABLED", "marketingActionRefs", "custom/winback", "deny", "C3 and (I1 or I2)")
	return r, at
}

// screen is a page that every browser test looks at. Bad marks one that is the answer
// to something wrong.
type screen struct {
	name, path string
	bad        bool
}

// screens are all pages, by the names of their pictures.
func screens(r *rig, at string) []screen {
	undo := r.get(at).find(`href="(/s/prod/flows/[^"]+/undo/[0-9]+)"`)
	policy := r.get("/s/prod/governance").find(`href="(/s/prod/governance/policy/[^"]+)"`)
	account := r.get("/s/prod/accounts").find(`href="/s/prod/accounts/([0-9a-f-]{36})"`)
	return []screen{
		{"connect", "/s/prod/connect", false},
		{"account-new", "/s/prod/accounts/new?auth=role", false},
		{"accounts", "/s/prod/accounts", false},
		{"account", "/s/prod/accounts/" + account, false},
		{"destination", "/s/prod/connect/" + account, false},
		{"segments", at + "/activate/segments", false},
		{"attributes", at + "/activate/attributes", false},
		{"review", at + "/activate/review", false},
		{"catalog", "/s/prod/catalog", false},
		{"flows", "/s/prod/flows", false},
		{"flow", at, false},
		{"edit", at + "/edit", false},
		{"undo", undo, false},
		{"resend", at + "/resend", false},
		{"pause", at + "/pause", false},
		{"delete", at + "/delete", false},
		{"letters", at + "/letters", false},
		{"redrive", at + "/settle/redrive?reason=rejected", false},
		{"governance", "/s/prod/governance?labels=C3+I1&action=custom/winback", false},
		{"policy", policy, false},
		{"activity", "/s/prod/activity", false},
		{"settings", "/s/prod/settings", false},
		{"error", "/s/prod/nothing", true},
	}
}

// Every screen has no finding of axe-core, light and dark, wide and on a phone, where
// nothing is wider than the window, and a picture of each is small enough for the
// documents.
func TestContractEveryScreenIsForEveryone(t *testing.T) {
	r, at := company(t)
	s := newSite(t, r.server.URL)
	for _, one := range screens(r, at) {
		s.looks(one.name, func() {
			if status := s.open(one.path); (status >= 400) != one.bad {
				t.Errorf("%s: status %d", one.name, status)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	if _, err := server.CreateToken(file, "ana", []api.Permission{api.View}, nil); err != nil {
		t.Fatal(err)
	}
	guarded := newRig(t, func(o *server.Options) {
		tokens, err := server.OpenTokens(file)
		if err != nil {
			t.Fatal(err)
		}
		o.Tokens = tokens
	})
	s.base = guarded.server.URL
	s.looks("signin", func() { s.open("/") })
}

// looks judges a page in every look, and takes its pictures.
func (s *site) looks(name string, open func()) {
	s.t.Helper()
	for _, look := range []struct {
		name, theme   string
		width, height int64
	}{{"light", "light", 1280, 900}, {"dark", "dark", 1280, 900}, {"phone", "light", 390, 844}} {
		s.theme(look.theme)
		s.size(look.width, look.height)
		open()
		s.accessible(name + "-" + look.name)
		s.fits(name + "-" + look.name)
		s.picture(name + "-" + look.name)
	}
}

// At 200 % zoom, which halves the window, nothing of a screen is cut off.
func TestContractEveryScreenIsWholeAtTwiceItsSize(t *testing.T) {
	r, at := company(t)
	s := newSite(t, r.server.URL)
	s.size(640, 450)
	for _, one := range screens(r, at) {
		s.open(one.path)
		s.fits(one.name)
	}
}

// The whole page speaks Spanish: no English text of the catalogue is left, and axe-core
// has no finding.
func TestContractEveryScreenIsInSpanish(t *testing.T) {
	r, at := company(t)
	s := newSite(t, r.server.URL)
	s.open("/s/prod/catalog")
	s.press("Español")
	en, es := catalogOf(t, "en"), catalogOf(t, "es")
	for _, one := range screens(r, at) {
		s.open(one.path)
		if lang := s.text("document.documentElement.lang"); lang != "es" {
			t.Errorf("%s is in %s", one.name, lang)
		}
		s.accessible(one.name + "-es")
		shown := "\n" + s.text("document.querySelector('main').innerText") + "\n"
		for key, text := range en {
			if len(text) > 12 && es[key] != text && !strings.Contains(text, "{") && strings.Contains(shown, "\n"+text+"\n") {
				t.Errorf("%s says %q", one.name, text)
			}
		}
	}
}

// The documents have a picture of every screen in every look.
func TestTheDocumentsShowEveryScreen(t *testing.T) {
	r, at := company(t)
	const docs = "../../../../deployments/docs/"
	text, err := os.ReadFile(docs + "PAGES.md")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"signin", "conflict"}
	for _, one := range screens(r, at) {
		names = append(names, one.name)
	}
	for _, name := range names {
		for _, look := range []string{"light", "dark", "phone"} {
			file := "pages/" + name + "-" + look + ".png"
			if info, err := os.Stat(docs + file); err != nil || info.Size() > mostPicture {
				t.Errorf("%s: is not there, or is too large (%v)", file, err)
			}
			if !strings.Contains(string(text), "("+file+")") {
				t.Errorf("PAGES.md does not show %s", file)
			}
		}
	}
}
