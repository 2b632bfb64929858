package destination

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/schemas/credentials"
)

// hashPrefix begins a token that is configured as its hash. A token is random, so that a
// fast hash is as good as a slow one.
const hashPrefix = "sha256:"

// byToken lets through what shows the bearer token, as it is now; nil: everything. What is
// compared are hashes, which tell nothing by the time that it takes.
func byToken(next http.Handler, token func() (string, error)) http.Handler {
	if token == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want, err := token()
		if err != nil || want == "" {
			http.Error(w, "server.token cannot be read now", http.StatusServiceUnavailable)
			return
		}
		if !strings.HasPrefix(want, hashPrefix) {
			want = hashOf(want)
		}
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(hashOf(strings.TrimSpace(given))), []byte(strings.ToLower(want))) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "send Authorization: Bearer TOKEN, with the token of server.token", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// certificateEvery is how often the files of a certificate are read: one that was rotated
// is shown from then on.
const certificateEvery = time.Second

// certificate is that of the admin endpoints.
type certificate struct {
	files credentials.Files

	mu   sync.Mutex
	now  *tls.Certificate
	read time.Time
}

// overTLS is a listener that speaks TLS, where there are files for it.
func overTLS(listener net.Listener, files config.ServerTLS) net.Listener {
	if files == (config.ServerTLS{}) {
		return listener
	}
	c := &certificate{files: credentials.Files{CertFile: files.CertFile, KeyFile: files.KeyFile}}
	return tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get})
}

// get is the certificate as it is on disk; while that cannot be read, as it was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && time.Since(c.read) < certificateEvery {
		return c.now, nil
	}
	own, _, err := c.files.Certificates()
	if err != nil && c.now == nil {
		return nil, err
	}
	if err == nil && len(own) > 0 {
		c.now = &own[0]
	}
	c.read = time.Now()
	return c.now, nil
}
