package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/server"
)

func TestAnEmptyCatalogSaysHowToStart(t *testing.T) {
	r := newRig(t)
	r.get("/").is(200).at("/s/prod/catalog").has("Three steps to start", "Amazon Kinesis", "Planned")
	r.get("/s/prod/flows").is(200).has("There is no destination yet")
	r.get("/s/nowhere/flows").is(404).has("sandbox with the name")
	r.get("/s/prod/nothing").is(404).has("there is no such page")
}

func TestEveryPageKeepsToItsOwnHost(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/s/prod/catalog", "/s/prod/nothing", "/s/prod/flows"} {
		s := r.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'", "X-Content-Type-Options": "nosniff",
			"X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			if !strings.HasPrefix(s.header.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, s.header.Get(name))
			}
		}
		if policy := s.header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %s", path, policy)
		}
		s.hasNot("style=", "onclick=", "javascript:", "//unpkg", "https://", "http://")
	}
}

// firstView is what the first view may take on the line, in all.
const firstView = 150 << 10

func TestTheFirstViewIsSmallAndItsFilesAreKept(t *testing.T) {
	r := newRig(t)
	sent := 0
	fetch := func(path string) (http.Header, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", "gzip") // counted as it is sent
		response, err := r.browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%s: %d %v", path, response.StatusCode, err)
		}
		if response.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s is not compressed", path)
		}
		sent += len(text)
		return response.Header, string(text)
	}
	fetch("/s/prod/catalog")
	page := r.get("/s/prod/catalog")
	for _, name := range []string{"page.css", "page.js", "htmx.min.js", "icon.svg"} {
		header, _ := fetch(page.find(`"(/assets/[0-9a-f]{16}/` + strings.ReplaceAll(name, ".", `\.`) + `)"`))
		if !strings.Contains(header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: Cache-Control is %s", name, header.Get("Cache-Control"))
		}
	}
	t.Logf("the first view: %d bytes", sent)
	if sent > firstView {
		t.Errorf("the first view is of %d bytes, more than %d", sent, firstView)
	}
	r.get("/assets/0000000000000000/page.css").is(404)
	r.get(strings.Replace(page.find(`"(/assets/[0-9a-f]{16}/page\.css)"`), "page.css", "..%2fpage.go", 1)).is(404)
}

func TestElsewhereATokenIsPastedOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	token, err := server.CreateToken(file, "anna", []api.Permission{api.View}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *server.Options) { o.Tokens = tokens })
	r.get("/s/prod/flows?q=a").is(200).at("/sign-in?back=%2Fs%2Fprod%2Fflows%3Fq%3Da").hasNot("section.flows", ">Destinations<")
	r.post("/sign-in", "token", "kdt_wrong", "back", "/s/prod/flows").is(401).has("Oauth token is not valid", `id="errors"`, `aria-invalid="true"`).hasNot("kdt_wrong")
	r.post("/sign-in", "token", " "+token+" ", "back", "//evil.example").is(200).at("/s/prod/catalog").has("Signed in as anna").hasNot(token)
	r.post("/sign-out").at("/sign-in?back=%2Fs%2Fprod%2Fcatalog")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL+"/sign-in", strings.NewReader("token="+token))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cookie := r.do(request).is(303).header.Get("Set-Cookie")
	for _, attribute := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, attribute) || strings.Contains(cookie, token) {
			t.Errorf("the cookie is %s", cookie)
		}
	}
	r.browser.CheckRedirect = nil
	if err := server.RevokeToken(file, "anna"); err != nil {
		t.Fatal(err)
	}
}

func TestAFormOfAnotherSiteIsRefused(t *testing.T) {
	r := newRig(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL+"/language", strings.NewReader("language=es"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", "https://evil.example")
	r.do(request).is(403).has("page of another site")
}

func TestTheLanguageIsTheBrowsersUntilItIsChosen(t *testing.T) {
	r := newRig(t)
	r.lang = "es-MX,en;q=0.5"
	r.get("/s/prod/catalog").has(`<html lang="es">`, "Catálogo de destinos")
	r.post("/language", "language", "en", "back", "/s/prod/flows?q=x").at("/s/prod/flows?q=x").has(`<html lang="en">`)
	r.lang = "fr"
	r.newBrowser()
	r.get("/s/prod/catalog").has(`<html lang="en">`)
}

func TestWhatIsReadOnlyOrOldSaysSo(t *testing.T) {
	r := newRig(t, func(o *server.Options) { o.ReadOnly = func() string { return "the topic is compacted" } })
	r.store.Stale = "the journal does not answer"
	r.get("/s/prod/catalog").has("Nothing can be changed now", "the topic is compacted", "This may be old", "the journal does not answer")
}

func TestAListOfFlowsIsSearchedFilteredAndOrderedByItsAddress(t *testing.T) {
	r := newRig(t)
	m := r.made("Leads, summer")
	for _, name := range []string{"<script>alert(1)</script>", "Zebra", "Ä leads"} {
		r.flow(name, m)
	}
	r.get("/s/prod/flows?q=LEADS").is(200).has("Leads, summer", "Ä leads", ">leads<").hasNot("Zebra")
	r.get("/s/prod/flows?q=leads,+s").is(200).has("Leads, summer").hasNot("Ä leads")
	r.get("/s/prod/flows").has("&lt;script&gt;alert(1)&lt;/script&gt;").hasNot("<script>alert")
	r.get("/s/prod/flows?state=disabled").has("No destination matches")
	r.get("/s/prod/flows?state=bogus&order=bogus&from=bogus").is(400).has("continuationToken")
	for i := range 30 {
		r.flow("flow "+string(rune('a'+i)), m)
	}
	next := r.get("/s/prod/flows?order=%2Bname&q=flow").find(`href="([^"]*from=[^"]*)"`)
	r.get(strings.ReplaceAll(next, "&amp;", "&")).is(200).has("First page").hasNot("rel=\"next\"")
}

// made are the connections of a flow.
type made struct{ source, target, account string }

// made makes what a flow needs, and a flow.
func (r *rig) made(name string) made {
	r.t.Helper()
	id := func(kind, body string) string {
		made, _ := r.api("POST", flowservice+"/"+kind, body)["id"].(string)
		return made
	}
	const kinesis, profile = `{"id":"86043421-563b-46ec-8e6c-e23184711bf6","version":"1.0"}`, `{"id":"8a9c3494-9708-43d7-ae3f-cda01e5030e1","version":"1.0"}`
	base := id("connections", `{"name":"profiles","connectionSpec":`+profile+`}`)
	source := id("sourceConnections", `{"name":"profiles","connectionSpec":`+profile+`,"baseConnectionId":"`+base+`","data":{"format":"json"},"params":{}}`)
	account := id("connections", `{"name":"aws","connectionSpec":`+kinesis+`,"auth":{"specName":"Aws Kinesis authentication credentials","params":{"accessKeyId":"`+accessKey+`","secretKey":"`+secretKey+`","region":"us-east-1"}}}`)
	target := id("targetConnections", `{"name":"leads","connectionSpec":`+kinesis+`,"baseConnectionId":"`+account+`","data":{"format":"json"},"params":{"stream":"leads","region":"us-east-1"}}`)
	m := made{source, target, account}
	r.flow(name, m)
	return m
}

// flow makes a flow of connections, and returns its id.
func (r *rig) flow(name string, m made) string {
	r.t.Helper()
	quoted, err := json.Marshal(name)
	if err != nil {
		r.t.Fatal(err)
	}
	id, _ := r.api("POST", flowservice+"/flows", `{"name":`+string(quoted)+`,"flowSpec":{"id":"71471eba-b620-49e4-90fd-23f1fa0174d8","version":"1.0"},"sourceConnectionIds":["`+m.source+`"],"targetConnectionIds":["`+m.target+`"]}`)["id"].(string)
	return id
}
