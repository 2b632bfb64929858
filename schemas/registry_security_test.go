package schemas_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/credentials"
	"kinesis-destination/schemas/embeddedregistry"
)

func fixed(value string) credentials.Secret { return func() (string, error) { return value, nil } }

func inFile(file string) credentials.Secret {
	return func() (string, error) {
		content, err := os.ReadFile(file)
		return string(content), err
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// bearing lets only requests with a bearer token through.
func bearing(token string, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, request)
	})
}

func TestCredentialsOfTheRegistryAreReadForEachRequest(t *testing.T) {
	server := embeddedregistry.New()
	id := server.Register("s", recordText)
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, "old")
	r := registryAt(t, bearing("new", server), schemas.RegistryConfig{BearerToken: inFile(file)})
	_, err := r.ByID(t.Context(), id)
	if err == nil || schemas.IsMessageFault(err) || !strings.Contains(err.Error(), "refuses the credentials (401") {
		t.Errorf("with the old token: %v", err)
	}
	write(t, file, "new")
	if _, err := r.ByID(t.Context(), id); err != nil {
		t.Errorf("with the new token: %v", err)
	}

	server.SetCredentials("u", "new")
	write(t, file, "old")
	r = registryAt(t, server, schemas.RegistryConfig{Username: fixed("u"), Password: inFile(file)})
	if _, err := r.ByID(t.Context(), id); err == nil {
		t.Error("the old password passes")
	}
	write(t, file, "new")
	if _, err := r.ByID(t.Context(), id); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Latest(t.Context(), "s"); err == nil || !strings.Contains(err.Error(), "schemaRegistry.password") {
		t.Errorf("without the file: %v", err)
	}
}

// byHost sends requests on by the host that they are for.
type byHost map[string]http.Handler

func (b byHost) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	b[request.Host].ServeHTTP(w, request)
}

func TestAnotherAddressIsAskedWhenOneIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := embeddedregistry.New(), embeddedregistry.New()
		var ids []int
		for _, text := range []string{`"int"`, `"long"`, `"string"`, `"bytes"`} {
			ids = append(ids, a.Register("s", text))
			b.Register("s", text)
		}
		stuck := http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() })
		hosts := byHost{"a": a, "b": b, "c": stuck}
		r := registryAt(t, hosts, schemas.RegistryConfig{URL: "http://c, http://a/, http://b"})
		ask := func(id int) time.Duration {
			t.Helper()
			began := time.Now()
			if _, err := r.ByID(t.Context(), id); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		if took := ask(ids[0]); took == 0 || took > 5*time.Second {
			t.Errorf("an address that never answers was awaited for %v", took)
		}
		if took := ask(ids[1]); took != 0 {
			t.Errorf("the address that is away was asked again, for %v", took)
		}
		a.SetStatus(http.StatusServiceUnavailable)
		ask(ids[2])
		b.SetDown(true)
		a.SetStatus(0)
		ask(ids[3])
		if _, err := r.ByID(t.Context(), 99); !schemas.IsMessageFault(err) {
			t.Errorf("an unknown id: %v", err)
		}
		a.SetDown(true)
		if _, err := r.Latest(t.Context(), "s"); err == nil || schemas.IsMessageFault(err) {
			t.Errorf("all away: %v", err)
		}
	})
}

func TestCertificatesOfTheRegistryAreReadForEachRequest(t *testing.T) {
	registry := embeddedregistry.New()
	ids := []int{registry.Register("s", recordText), registry.Register("t", `"int"`)}
	folder := t.TempDir()
	serve := func() string {
		t.Helper()
		if err := embeddedkafka.WriteCertificates(folder); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(registry)
		var err error
		if server.TLS, err = embeddedkafka.ServerTLS(folder, true); err != nil {
			t.Fatal(err)
		}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.URL
	}
	file := func(name string) string { return filepath.Join(folder, name) }
	block := schemas.RegistryTLS{CAFile: file(embeddedkafka.CAFile), CertFile: file(embeddedkafka.ClientCertFile), KeyFile: file(embeddedkafka.ClientKeyFile)}
	first := serve()
	keys, err := os.ReadFile(file(embeddedkafka.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	second := serve() // the files are now those of another authority
	r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: second, TLS: block}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ByID(t.Context(), ids[0]); err != nil {
		t.Error(err)
	}
	old, err := schemas.NewRegistry(schemas.RegistryConfig{URL: first, TLS: block}, &http.Client{Transport: &http.Transport{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.ByID(t.Context(), ids[1]); err == nil || schemas.IsMessageFault(err) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a server of a strange authority: %v", err)
	}
	write(t, block.CAFile, string(keys))
	if _, err := r.ByID(t.Context(), ids[1]); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("after the authority changed on disk: %v", err)
	}
	if _, err := schemas.NewRegistry(schemas.RegistryConfig{URL: second, TLS: block}, &http.Client{Transport: strange{}}); err == nil {
		t.Error("a client that takes no TLS configuration is taken")
	}
}

// strange is a transport that cannot be told about certificates.
type strange struct{}

func (strange) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.EOF }
