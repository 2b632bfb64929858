package schemas_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/schemas"
)

// endless writes until nobody reads any more, at most total bytes, and counts.
func endless(w io.Writer, start string, total int) (written int) {
	n, err := io.WriteString(w, start)
	chunk := []byte(strings.Repeat("x", 1<<20))
	for written = n; err == nil && written < total; written += n {
		n, err = w.Write(chunk)
	}
	return written
}

func TestNoAnswerOfTheRegistryTakesMoreThanItsBound(t *testing.T) {
	const total = 1 << 30
	for name, c := range map[string]struct {
		status int
		start  string
		want   error // nil: the registry's fault
		most   uint64
	}{
		"a schema without end":          {http.StatusOK, `{"schema": "`, schemas.ErrInvalidSchema, 100 << 20},
		"a page without end":            {http.StatusOK, `<html>`, nil, 100 << 20},
		"an error without end":          {http.StatusInternalServerError, `{"error_code": 50001, "message": "`, nil, 4 << 20},
		"a refusal without end":         {http.StatusUnauthorized, `{`, nil, 4 << 20},
		"one that is not there, at all": {http.StatusNotFound, `{"error_code": 40403, "message": "`, nil, 4 << 20},
	} {
		written := 0
		done := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			defer close(done)
			w.WriteHeader(c.status)
			written = endless(w, c.start, total)
		}))
		r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: server.URL}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = r.Latest(t.Context(), "s")
		runtime.ReadMemStats(&after)
		<-done
		server.Close()
		if err == nil || schemas.IsMessageFault(err) != (c.want != nil) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > c.most || written > 64<<20 {
			t.Errorf("%s: %d MiB allocated, %d MiB of the answer were taken", name, used>>20, written>>20)
		}
	}
}

func TestAnAnswerThatDripsIsNotAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registryAt(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			_, _ = io.WriteString(w, `{"schema": "`)
			for tick := time.NewTicker(time.Second); ; {
				select {
				case <-request.Context().Done():
					tick.Stop()
					return
				case <-tick.C:
				}
				if _, err := io.WriteString(w, "x"); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
			}
		}), schemas.RegistryConfig{})
		began := time.Now()
		_, err := r.ByID(t.Context(), 1)
		if took := time.Since(began); err == nil || schemas.IsMessageFault(err) || took > 10*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// TestReferencesAreBoundedTogether: 199 answers of 15 MiB would be three gigabytes.
func TestReferencesAreBoundedTogether(t *testing.T) {
	requests := 0
	padding := strings.Repeat("x", 5<<20)
	r := registryAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		_, _ = fmt.Fprintf(w, `{"schema": "\"int\"", "references": [{"name": "n%d", "subject": "s", "version": 1}], "padding": "%s"}`, requests, padding)
	}), schemas.RegistryConfig{})
	if _, err := r.ByID(t.Context(), 1); !errors.Is(err, schemas.ErrInvalidSchema) || requests > 4 {
		t.Errorf("%v after %d requests", err, requests)
	}
}

func TestNamesInTheRegistrysAnswersAreCut(t *testing.T) {
	long := strings.Repeat("q", 1<<20)
	answer := ""
	r := registryAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer)
	}), schemas.RegistryConfig{})
	for _, text := range []string{
		`{"schema": "x", "schemaType": "` + long + `"}`,
		`{"schema": "\"int\"", "references": [{"name": "` + long + `", "subject": "s", "version": 1}]}`,
		`{"schema": "\"int\"", "references": [{"name": "n", "subject": "` + long + `", "version": 1}]}`,
		`{"schema": "\"` + long + `\""}`,
	} {
		answer = text
		if _, err := r.Latest(t.Context(), "s"); err == nil || len(err.Error()) > 1024 {
			t.Errorf("%.40s…: an error of %d bytes", text, len(fmt.Sprint(err)))
		}
	}
}

// TestManySchemasTakeABoundedMemory: whoever writes messages can name any number of ids.
func TestManySchemasTakeABoundedMemory(t *testing.T) {
	const ids = 4000
	text, err := json.Marshal(map[string]string{"schema": string(schemas.SegmentEvaluation)})
	if err != nil {
		t.Fatal(err)
	}
	requests := 0
	r := registryAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		_, _ = w.Write(text)
	}), schemas.RegistryConfig{})
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for id := 1; id <= ids; id++ {
		if _, err := r.ByID(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ByID(t.Context(), 1); err != nil { // in use
			t.Fatal(err)
		}
	}
	if kept := heap() - before; kept > 128<<20 {
		t.Errorf("%d schemas keep %d MiB", ids, kept>>20)
	}
	if requests != ids {
		t.Errorf("%d requests for %d schemas: one that is in use was forgotten", requests, ids)
	}
	runtime.KeepAlive(r)
}

// TestCredentialsStayWithTheHostTheyAreFor: a registry, or who can answer in its place, sends nobody elsewhere.
func TestCredentialsStayWithTheHostTheyAreFor(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked, with the credentials %q", r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"schema": "\"int\""}`)
	}))
	defer other.Close()
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/subjects/near/versions/latest":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/elsewhere":
			if r.Header.Get("Authorization") == "" {
				t.Error("a path of the registry itself is asked without credentials")
			}
			_, _ = io.WriteString(w, `{"schema": "\"int\"", "version": 1}`)
		case "/subjects/round/versions/latest":
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		default:
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}
	})
	plain, secure := httptest.NewServer(redirect), httptest.NewTLSServer(redirect)
	defer plain.Close()
	defer secure.Close()
	for _, cfg := range []schemas.RegistryConfig{
		{URL: plain.URL, Username: fixed("user"), Password: fixed("hunter2")},
		{URL: secure.URL, BearerToken: fixed("hunter3")},
	} {
		r, err := schemas.NewRegistry(cfg, secure.Client())
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.ByID(t.Context(), 1)
		if err == nil || schemas.IsMessageFault(err) || !strings.Contains(err.Error(), "it redirects to "+other.URL+", which is not followed: set schemaRegistry.url") || strings.Contains(err.Error(), "hunter") {
			t.Errorf("elsewhere: %v", err)
		}
		if _, err = r.Latest(t.Context(), "near"); err != nil {
			t.Errorf("to another path: %v", err)
		}
		if _, err = r.Latest(t.Context(), "round"); err == nil || !strings.Contains(err.Error(), "redirects more than 3 times") {
			t.Errorf("in a circle: %v", err)
		}
	}
}

func TestCredentialsOverPlainHTTPAreWarnedOf(t *testing.T) {
	for _, c := range []struct {
		cfg  schemas.RegistryConfig
		want int
	}{
		{schemas.RegistryConfig{URL: "http://a"}, 0},
		{schemas.RegistryConfig{URL: "https://a", Username: fixed("u"), Password: fixed("p")}, 0},
		{schemas.RegistryConfig{URL: "https://a, http://b, http://c", Username: fixed("u"), Password: fixed("p")}, 1},
		{schemas.RegistryConfig{URL: "http://a", BearerToken: fixed("t")}, 1},
	} {
		all := schemas.Config{Registry: &c.cfg}
		if got := all.Warnings(); len(got) != c.want || c.want > 0 && !strings.Contains(got[0], "over plain http") {
			t.Errorf("%s: %v", c.cfg.URL, got)
		}
	}
	if got := (&schemas.Config{SchemaFile: "event.avsc"}).Warnings(); got != nil {
		t.Errorf("without a registry: %v", got)
	}
}
