package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.yaml.in/yaml/v3"
	"golang.org/x/time/rate"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/schemas/smallfile"
)

// OIDCConfig is whose tokens are taken besides those of the token file.
type OIDCConfig struct {
	Issuer   string `yaml:"issuer"`
	Audience string `yaml:"audience"`
	Claims   struct {
		Name        string `yaml:"name"`        // default sub
		Permissions string `yaml:"permissions"` // default permissions; with dots, such as realm_access.roles, below others
		Sandboxes   string `yaml:"sandboxes"`   // none: all
	} `yaml:"claims"`
	// Permissions are the values of the claim that each is given by; default: its name.
	Permissions map[api.Permission][]string `yaml:"permissions"`
}

// The bounds of asking an issuer: how long an answer may take, how often it is asked for
// keys that a token names and nobody knows, and how long it is let be after a failure.
const (
	issuerTimeout = 5 * time.Second
	issuerRate    = 1 // a second
	issuerBurst   = 5
	issuerRest    = 2 * time.Second
)

// signatures are those that a public key checks: a shared secret or none is no signature.
var signatures = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// OIDC judges tokens of an issuer. It asks the issuer when the first one comes, and keeps
// its keys: while it is away, tokens of known keys are good.
type OIDC struct {
	c      OIDCConfig
	client *http.Client
	issuer *issuerTransport

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier // guarded by mu, as what is below
	failed   time.Time             // when the issuer did not answer
}

// OpenOIDC reads a file of an OIDCConfig.
func OpenOIDC(file string) (*OIDC, error) {
	text, err := smallfile.Read(file, config.MaxConfigBytes)
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	var c OIDCConfig
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return NewOIDC(c), nil
}

func (c *OIDCConfig) check() error {
	at, err := url.Parse(c.Issuer)
	loopback := err == nil && (at.Hostname() == "localhost" || net.ParseIP(at.Hostname()).IsLoopback())
	switch {
	case err != nil || at.Host == "" || at.Scheme != "https" && (at.Scheme != "http" || !loopback):
		return errors.New("issuer: must be the https URL that tokens have as iss")
	case c.Audience == "":
		return errors.New("audience: must be what tokens for this server have as aud; without it tokens for others would be taken")
	}
	for p, values := range c.Permissions {
		if err := checkPermissions([]api.Permission{p}); err != nil {
			return fmt.Errorf("permissions: %w", err)
		}
		if slices.Contains(values, "") {
			return fmt.Errorf("permissions.%s: an empty value", p)
		}
	}
	return nil
}

// NewOIDC makes one of a configuration that is known to be right.
func NewOIDC(c OIDCConfig) *OIDC {
	c.Claims.Name, c.Claims.Permissions = cmp.Or(c.Claims.Name, "sub"), cmp.Or(c.Claims.Permissions, "permissions")
	t := &issuerTransport{limit: rate.NewLimiter(issuerRate, issuerBurst)}
	return &OIDC{c: c, issuer: t, client: &http.Client{Transport: t, Timeout: issuerTimeout}}
}

// issuerTransport asks an issuer, not too often, and knows whether it answers.
type issuerTransport struct {
	limit *rate.Limiter
	away  atomic.Bool
}

var errOften = errors.New("the issuer was asked a moment ago")

// RoundTrip implements http.RoundTripper.
func (t *issuerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.limit.Allow() {
		return nil, errOften
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	t.away.Store(err != nil || answer.StatusCode != http.StatusOK)
	return answer, err
}

func (o *OIDC) unavailable() error {
	return api.Refuse(api.CodeUnavailable, "The issuer of the token does not answer, and its key is not known here: try again soon. Tokens of 'kinesis-destination token create' do not need it.")
}

// ready is what judges tokens; the issuer is asked what it is once it has answered.
func (o *OIDC) ready(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verifier != nil {
		return o.verifier, nil
	}
	if time.Since(o.failed) < issuerRest {
		return nil, o.unavailable()
	}
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), o.client) // its keys are asked for by others, too
	provider, err := oidc.NewProvider(ctx, o.c.Issuer)
	if err != nil {
		o.failed = time.Now()
		return nil, o.unavailable()
	}
	o.verifier = provider.VerifierContext(ctx, &oidc.Config{ClientID: o.c.Audience, SupportedSigningAlgs: signatures})
	return o.verifier, nil
}

// find is what a bearer token of the issuer permits.
func (o *OIDC) find(ctx context.Context, value string) (Token, error) {
	verifier, err := o.ready(ctx)
	if err != nil {
		return Token{}, err
	}
	token, err := verifier.Verify(ctx, value)
	expired, isExpired := errors.AsType[*oidc.TokenExpiredError](err)
	switch {
	case isExpired:
		return Token{}, api.Refuse(api.CodeBadToken, "Oauth token is not valid: it expired at %s.", expired.Expiry.UTC().Format(time.RFC3339))
	case err != nil && o.issuer.away.Load():
		return Token{}, o.unavailable()
	case err != nil: // its text may quote the token
		return Token{}, api.Refuse(api.CodeBadToken, "Oauth token is not valid: it is not of issuer %s for audience %s, or not signed with a key of it.", o.c.Issuer, o.c.Audience)
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return Token{}, api.Refuse(api.CodeBadToken, "Oauth token is not valid: its claims are not JSON.")
	}
	found := Token{}
	if names := texts(claim(claims, o.c.Claims.Name)); len(names) == 1 {
		found.Name = names[0][:min(len(names[0]), 200)]
	}
	if found.Name == "" {
		return Token{}, api.Refuse(api.CodeBadToken, "Oauth token is not valid: claim %s, which names the caller, is missing.", o.c.Claims.Name)
	}
	values := texts(claim(claims, o.c.Claims.Permissions))
	for _, p := range everything {
		given := o.c.Permissions[p]
		if o.c.Permissions == nil {
			given = []string{string(p)}
		}
		if slices.ContainsFunc(given, func(v string) bool { return slices.Contains(values, v) }) {
			found.Permissions = append(found.Permissions, p)
		}
	}
	if o.c.Claims.Sandboxes != "" {
		if found.Sandboxes = texts(claim(claims, o.c.Claims.Sandboxes)); len(found.Sandboxes) == 0 {
			return Token{}, api.Refuse(api.CodePermission, "The token is for no sandbox: claim %s is empty.", o.c.Claims.Sandboxes)
		}
	}
	return found, nil
}

// claim is a claim by its name, or by a path with dots.
func claim(claims map[string]any, path string) any {
	if v, ok := claims[path]; ok {
		return v
	}
	first, rest, below := strings.Cut(path, ".")
	inner, ok := claims[first].(map[string]any)
	if !below || !ok {
		return nil
	}
	return claim(inner, rest)
}

// texts are the words of a claim: a list, or a text as OAuth has scopes.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		var list []string
		for _, one := range v {
			if s, ok := one.(string); ok && s != "" {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}
