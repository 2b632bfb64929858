package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"go.yaml.in/yaml/v3"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/server"
)

// issuer is a small OpenID Connect provider.
type issuer struct {
	*httptest.Server
	keys  map[string]*rsa.PrivateKey
	shown atomic.Pointer[oidctest.Server]
	away  atomic.Bool
	asked atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]*rsa.PrivateKey{}}
	for _, id := range []string{"k1", "k2", "foreign"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		i.keys[id] = key
	}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		if i.away.Load() {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		i.shown.Load().ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	i.show("k1")
	return i
}

func (i *issuer) show(ids ...string) {
	s := &oidctest.Server{}
	for _, id := range ids {
		s.PublicKeys = append(s.PublicKeys, oidctest.PublicKey{PublicKey: i.keys[id].Public(), KeyID: id, Algorithm: oidc.RS256})
	}
	s.SetIssuer(i.URL)
	i.shown.Store(s)
}

func (i *issuer) token(key, audience string, expires time.Duration, more string) string {
	now := time.Now()
	return oidctest.SignIDToken(i.keys[key], key, oidc.RS256, fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"ada","iat":%d,"exp":%d%s}`, i.URL, audience, now.Unix(), now.Add(expires).Unix(), more))
}

func (i *issuer) open(t *testing.T, more string) *server.OIDC {
	t.Helper()
	file := filepath.Join(t.TempDir(), "oidc.yaml")
	if err := os.WriteFile(file, []byte("issuer: "+i.URL+"\naudience: destinations\n"+more), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.OpenOIDC(file)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

const all = `,"permissions":["view","manage","activate"]`

func TestATokenOfAnIssuerIsTakenForWhatItSays(t *testing.T) {
	i := newIssuer(t)
	o := i.open(t, "claims: {permissions: realm.roles, sandboxes: sandboxes}\npermissions: {view: [reader], manage: [admin]}\n")
	r := newRig(t, func(options *server.Options) { options.OIDC = o })
	get := func(token, sandbox string, code int) answer {
		return r.call("GET", flowservice+"/flows", "", "Authorization", "Bearer "+token, "x-sandbox-name", sandbox).is(code)
	}
	reader := i.token("k1", "destinations", time.Hour, `,"realm":{"roles":["reader","other"]},"sandboxes":["prod"]`)
	get(reader, "prod", 200)
	get(reader, "dev", 404)
	r.call("POST", flowservice+"/connections", "{}", "Authorization", "Bearer "+reader).is(403).says("manage")
	get(i.token("k1", "destinations", time.Hour, `,"realm":{"roles":["other"]},"sandboxes":["prod"]`), "prod", 403)
	get(i.token("k1", "destinations", time.Hour, `,"realm":{"roles":["reader"]}`), "prod", 403).says("sandboxes")
	get(i.token("k1", "destinations", time.Hour, `,"realm":{"roles":"reader"},"sandboxes":"dev prod"`), "dev", 200)
}

func TestATokenThatIsNotForThisServerIsRefused(t *testing.T) {
	i := newIssuer(t)
	r := newRig(t, func(options *server.Options) { options.OIDC = i.open(t, "") })
	get := func(token string, code int) answer {
		return r.call("GET", flowservice+"/flows", "", "Authorization", "Bearer "+token).is(code)
	}
	get(i.token("k1", "destinations", time.Hour, all), 200)
	get(i.token("k1", "destinations", -time.Hour, all), 401).says("expired")
	get(i.token("k1", "others", time.Hour, all), 401).says("audience")
	get(i.token("foreign", "destinations", time.Hour, all), 401).says("key")
	get("none", 401)
	header, rest, _ := strings.Cut(i.token("k1", "destinations", time.Hour, all), ".")
	payload, _, _ := strings.Cut(rest, ".")
	get(header+"."+payload+".", 401)
	get("eyJhbGciOiJub25lIn0."+payload+".", 401)
	r.call("GET", flowservice+"/flows", "", "Authorization", "").is(403)
	// Made-up keys do not have the issuer asked without end.
	before := i.asked.Load()
	for range 50 {
		get(i.token("foreign", "destinations", time.Hour, all), 401)
	}
	if n := i.asked.Load() - before; n > 15 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

func TestKeysOfAnIssuerChangeAndOutliveIt(t *testing.T) {
	i := newIssuer(t)
	i.away.Store(true)
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	own, err := server.CreateToken(file, "own", []api.Permission{api.View}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	first := i.open(t, "")
	r := newRig(t, func(options *server.Options) { options.OIDC, options.Tokens = first, tokens })
	get := func(token string, code int) answer {
		return r.call("GET", flowservice+"/flows", "", "Authorization", "Bearer "+token).is(code)
	}
	// Who comes before the last request for keys has been put away hears of its keys alone (go-oidc's RemoteKeySet): the
	// next call asks anew.
	soon := func(token string, code int) {
		t.Helper()
		for range 20 {
			got := r.call("GET", flowservice+"/flows", "", "Authorization", "Bearer "+token)
			if got.status != http.StatusUnauthorized {
				got.is(code)
				return
			}
		}
		t.Errorf("a key that is asked for is not known after 20 calls")
	}
	one := i.token("k1", "destinations", time.Hour, all)
	get(one, 503).says("issuer")
	get(own, 200) // the file's tokens need nobody
	i.away.Store(false)
	r = newRig(t, func(options *server.Options) { options.OIDC, options.Tokens = i.open(t, ""), tokens })
	get(one, 200)
	i.show("k2")
	two := i.token("k2", "destinations", time.Hour, all)
	soon(two, 200) // a key that is new is asked for
	i.away.Store(true)
	get(two, 200) // and kept
	soon(i.token("foreign", "destinations", time.Hour, all), 503)
}

// TestTheChartsIssuerIsRead: the chart writes controlPlane.oidc as it stands into the file.
func TestTheChartsIssuerIsRead(t *testing.T) {
	text, err := os.ReadFile("../../../../deployments/helm/kinesis-destination/ci/full-values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values struct {
		ControlPlane struct {
			OIDC map[string]any `yaml:"oidc"`
		} `yaml:"controlPlane"`
	}
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	if text, err = yaml.Marshal(values.ControlPlane.OIDC); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "oidc.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.OpenOIDC(file); err != nil {
		t.Errorf("%v: %s", err, text)
	}
}
