package destination

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas/credentials"
)

const adminToken = "a-token-of-thirty-two-characters"

// Probes have no token, and what tells of destinations wants it.
func TestWithATokenStatusAndMetricsAreForWhoShowsIt(t *testing.T) {
	given := adminToken
	handler := adminHandler(NewFleet(Options{}), nil, "v1", func() (string, error) { return given, nil })
	for _, configured := range []string{adminToken, hashOf(adminToken), hashPrefix + strings.ToUpper(hashOf(adminToken)[len(hashPrefix):])} {
		given = configured
		for path, open := range map[string]bool{"/healthz": true, "/readyz": true, "/status": false, "/metrics": false} {
			for shown, right := range map[string]bool{"": false, "Bearer ": false, "Bearer wrong": false, "Basic " + adminToken: false, "Bearer " + hashOf(adminToken): false, "Bearer " + adminToken: true, "bearer " + adminToken: true} {
				want := http.StatusUnauthorized
				if open || right {
					want = http.StatusOK
				}
				header := http.Header{}
				if shown != "" {
					header.Set("Authorization", shown)
				}
				if code := ask(t, handler, path, "127.0.0.1:8080", "localhost", header); code != want {
					t.Errorf("%s with %q, configured as %.7s…: %d", path, shown, configured, code)
				}
			}
		}
	}
}

// writePair makes an authority up, and has it vouch for the certificate in files.
func writePair(t *testing.T, files config.ServerTLS) (trusted *x509.CertPool) {
	t.Helper()
	made := t.TempDir()
	if err := embeddedkafka.WriteCertificates(made); err != nil {
		t.Fatal(err)
	}
	server, err := os.ReadFile(filepath.Join(made, embeddedkafka.ServerFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{files.CertFile, files.KeyFile} { // PEM, of which each reader takes its own
		if err := os.WriteFile(file, server, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca, err := os.ReadFile(filepath.Join(made, embeddedkafka.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	trusted = x509.NewCertPool()
	trusted.AppendCertsFromPEM(ca)
	return trusted
}

func TestTheAdminEndpointsSpeakTLS(t *testing.T) {
	folder := t.TempDir()
	files := config.ServerTLS{CertFile: filepath.Join(folder, "tls.crt"), KeyFile: filepath.Join(folder, "tls.key")}
	trusted := writePair(t, files)
	var address string
	a, err := startAdmin([]config.Server{{Listen: "127.0.0.1:0", TLS: files}}, "server.listen", NewFleet(Options{}), Options{
		Logger: slog.New(slog.DiscardHandler),
		Listen: func(network, at string) (net.Listener, error) {
			l, err := net.Listen(network, at)
			if err == nil {
				address = l.Addr().String()
			}
			return l, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close(context.Background())
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableKeepAlives: true}}
	for scheme, want := range map[string]int{"https://": http.StatusOK, "http://": http.StatusBadRequest} {
		response, err := client.Get(scheme + address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s", scheme, response.Status)
		}
	}
}

// What was rotated on disk is shown without a restart, and half of it is not shown.
func TestTheCertificateThatWasRotatedIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		files := config.ServerTLS{CertFile: filepath.Join(folder, "tls.crt"), KeyFile: filepath.Join(folder, "tls.key")}
		c := &certificate{files: credentials.Files{CertFile: files.CertFile, KeyFile: files.KeyFile}}
		if _, err := c.get(nil); err == nil {
			t.Error("there is no certificate yet")
		}
		shown := func() string {
			t.Helper()
			time.Sleep(certificateEvery)
			now, err := c.get(nil)
			if err != nil {
				t.Fatal(err)
			}
			return string(now.Certificate[0])
		}
		writePair(t, files)
		first := shown()
		writePair(t, files)
		second := shown()
		if second == first {
			t.Error("the old one is shown")
		}
		if err := os.WriteFile(files.KeyFile, []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
		if shown() != second {
			t.Error("it is another one")
		}
	})
}
