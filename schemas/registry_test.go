package schemas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
)

// inMemory is a client whose requests go to a handler, over pipes in memory: what runs on it runs in a synctest bubble.
func inMemory(t *testing.T, handler http.Handler) *http.Client {
	t.Helper()
	listener := &pipeListener{connections: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: nil}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	transport := &http.Transport{DialContext: listener.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		running.Wait()
	})
	return &http.Client{Transport: transport}
}

type pipeListener struct {
	connections chan net.Conn
	closed      chan struct{}
	once        sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.connections <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func registryAt(t *testing.T, handler http.Handler, cfg schemas.RegistryConfig) *schemas.Registry {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = "http://registry"
	}
	r, err := schemas.NewRegistry(cfg, inMemory(t, handler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const recordText = `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`

// TestContractRegistry runs on the embedded registry, or on the one at SCHEMA_REGISTRY_URL: the fake may not be kinder
// than a real one.
func TestContractRegistry(t *testing.T) {
	url, client := os.Getenv("SCHEMA_REGISTRY_URL"), http.DefaultClient
	if url == "" {
		url, client = "http://registry", inMemory(t, embeddedregistry.New())
	}
	r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: url}, client)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	subject := fmt.Sprintf("contract-%d-value", time.Now().UnixNano())
	post := func(subject string, body map[string]any) int {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Post(url+"/subjects/"+subject+"/versions", "application/vnd.schemaregistry.v1+json", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		answer, err := io.ReadAll(response.Body)
		var registered struct{ ID int }
		if err := errors.Join(err, json.Unmarshal(answer, &registered)); err != nil || registered.ID == 0 {
			t.Fatalf("register: %s %s %v", response.Status, answer, err)
		}
		return registered.ID
	}

	if _, err := r.Latest(ctx, subject); !errors.Is(err, schemas.ErrUnknownSchema) {
		t.Errorf("a subject that is not there: %v", err)
	}
	if _, err := r.ByID(ctx, 999_999_999); !errors.Is(err, schemas.ErrUnknownSchema) {
		t.Errorf("an id that is not there: %v", err)
	}
	id := post(subject, map[string]any{"schema": string(schemas.SegmentEvaluation)})
	byID, err := r.ByID(ctx, id)
	if err != nil || byID.ID != id || byID.Root.Name != "profile.segmentation.v1.SegmentEvaluation" {
		t.Fatalf("by id: %+v %v", byID, err)
	}
	if again := post(subject, map[string]any{"schema": string(schemas.SegmentEvaluation)}); again != id {
		t.Errorf("the same schema has id %d, then %d", id, again)
	}
	latest, err := r.Latest(ctx, subject)
	if err != nil || latest.ID != id || latest.Origin != "subject "+subject+", version 1" {
		t.Errorf("latest: %+v %v", latest, err)
	}
	// A label survives the registry.
	if phone := latest.Root.Field("attributes").Type.Field("mobilePhone"); phone.Type.Alternatives()[0].Fields[0].Labels[1] != "C2" {
		t.Errorf("labels of mobilePhone.number: %v", phone.Type.Alternatives()[0].Fields[0].Labels)
	}

	// A schema that refers to another's types.
	name := fmt.Sprintf("Inner%d", time.Now().UnixNano())
	post(subject+"-inner", map[string]any{"schema": `{"type":"record","name":"` + name + `","namespace":"x","fields":[{"name":"a","type":"string"}]}`})
	id = post(subject+"-outer", map[string]any{
		"schema":     `{"type":"record","name":"Outer` + name + `","namespace":"y","fields":[{"name":"inner","type":"x.` + name + `"}]}`,
		"references": []map[string]any{{"name": "x." + name, "subject": subject + "-inner", "version": 1}},
	})
	outer, err := r.ByID(ctx, id)
	if err != nil || outer.Root.Field("inner").Type.Field("a").Type.Kind != schemas.String {
		t.Errorf("a schema with references: %v", err)
	}
}

func TestSchemaIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := embeddedregistry.New()
		id := server.Register("s", recordText)
		r := registryAt(t, server, schemas.RegistryConfig{})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := r.ByID(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := server.Requests(); n != 1 {
			t.Errorf("%d requests for one schema", n)
		}
	})
}

func TestUnknownIDIsAskedForAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := embeddedregistry.New()
		r := registryAt(t, server, schemas.RegistryConfig{})
		for range 100 {
			if _, err := r.ByID(t.Context(), 1); !errors.Is(err, schemas.ErrUnknownSchema) {
				t.Fatal(err)
			}
		}
		if n := server.Requests(); n > 8 {
			t.Errorf("%d requests for an id that is not there", n)
		}
		server.Register("s", recordText)
		<-time.After(time.Minute) // virtual time
		if _, err := r.ByID(t.Context(), 1); err != nil {
			t.Errorf("registered since: %v", err)
		}
	})
}

// TestOutageIsNobodysFault: what the registry cannot answer now is not about the message, and is asked again at once.
func TestOutageIsNobodysFault(t *testing.T) {
	server := embeddedregistry.New()
	id := server.Register("s", recordText)
	r := registryAt(t, server, schemas.RegistryConfig{})
	for name, fault := range map[string]func(){
		"down":            func() { server.SetDown(true) },
		"500":             func() { server.SetStatus(http.StatusInternalServerError) },
		"401":             func() { server.SetCredentials("u", "secret") },
		"403":             func() { server.SetStatus(http.StatusForbidden) },
		"429":             func() { server.SetStatus(http.StatusTooManyRequests) },
		"a proxy's 404":   func() { server.SetStatus(http.StatusNotFound) },
		"an answer of no": func() { server.SetStatus(http.StatusNoContent) },
	} {
		fault()
		_, err := r.ByID(t.Context(), id)
		if err == nil || schemas.IsMessageFault(err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := r.Latest(t.Context(), "s"); err == nil || schemas.IsMessageFault(err) {
			t.Errorf("%s: %v", name, err)
		}
		server.SetDown(false)
		server.SetStatus(0)
		server.SetCredentials("", "")
	}
	if _, err := r.ByID(t.Context(), id); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	server.SetDown(true)
	if _, err := r.ByID(t.Context(), id); err != nil {
		t.Errorf("a schema that is known needs no registry: %v", err)
	}
}

func TestCallerMayGiveUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stuck := http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() })
		r := registryAt(t, stuck, schemas.RegistryConfig{})
		started := time.Now()
		if _, err := r.ByID(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != time.Second {
			t.Errorf("%v after %s", err, time.Since(started))
		}
		if _, err := r.ByID(t.Context(), 2); err == nil || time.Since(started) > 15*time.Second {
			t.Errorf("a request that is never answered: %v after %s", err, time.Since(started))
		}
	})
}

func TestRegistryBelowAPathWithCredentials(t *testing.T) {
	server := embeddedregistry.New()
	id := server.Register("topic/with slash-value", recordText)
	server.SetCredentials("u", "p")
	r := registryAt(t, http.StripPrefix("/apis/ccompat/v7", server),
		schemas.RegistryConfig{URL: "http://registry/apis/ccompat/v7/", Username: fixed("u"), Password: fixed("p")})
	if _, err := r.ByID(t.Context(), id); err != nil {
		t.Error(err)
	}
	if _, err := r.Latest(t.Context(), "topic/with slash-value"); err != nil {
		t.Error(err)
	}
}

func TestAnswersThatAreNoSchema(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer, many := "", 1
		r := registryAt(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			if strings.HasPrefix(request.URL.Path, "/subjects/loop") {
				_, _ = io.WriteString(w, `{"schema": "\"int\"", "references": [{"subject": "loop", "version": 1}]}`)
				return
			}
			if strings.HasPrefix(request.URL.Path, "/subjects/many") {
				many++
				_, _ = fmt.Fprintf(w, `{"schema": "\"int\"", "references": [{"subject": "many", "version": %d}]}`, many)
				return
			}
			if strings.HasPrefix(request.URL.Path, "/subjects/gone") {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, `{"error_code": 40401}`)
				return
			}
			_, _ = io.WriteString(w, answer)
		}), schemas.RegistryConfig{})
		for i, c := range []struct {
			answer string
			want   error // nil: the registry's fault
		}{
			{"<html>", nil},
			{"{}", nil},
			{`{"schema": "{"}`, schemas.ErrInvalidSchema},
			{`{"schema": "message M {}", "schemaType": "PROTOBUF"}`, schemas.ErrInvalidSchema},
			{`{"schema": "\"int\"", "references": [{"subject": "gone", "version": 1}]}`, schemas.ErrUnknownSchema},
			{`{"schema": "\"int\"", "references": [{"subject": "many", "version": 1}]}`, schemas.ErrInvalidSchema},
			{`{"schema": "\"int\"", "padding": "` + strings.Repeat("x", 16<<20) + `"}`, schemas.ErrInvalidSchema},
		} {
			answer = c.answer
			_, err := r.ByID(t.Context(), i+1)
			if err == nil || c.want == nil && schemas.IsMessageFault(err) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%.60s: %v", c.answer, err)
			}
			if _, err := r.Latest(t.Context(), "s"); err == nil {
				t.Errorf("%.60s: no error", c.answer)
			}
		}
		answer = `{"schema": "\"int\"", "references": [{"subject": "loop", "version": 1}]}`
		if _, err := r.ByID(t.Context(), 99); err != nil {
			t.Errorf("references in a circle: %v", err)
		}
	})
}

func TestDecoderFindsTheSchemaOfAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := embeddedregistry.New()
		id := server.Register("s", recordText)
		d, err := schemas.NewDecoder(schemas.Config{Registry: &schemas.RegistryConfig{URL: "http://registry"}}, inMemory(t, server))
		if err != nil {
			t.Fatal(err)
		}
		event, err := d.Decode(t.Context(), append(schemas.AppendFrame(nil, id), "\x02x"...), nil)
		if err != nil || event.Schema.ID != id || string(event.Body) != "\x02x" {
			t.Errorf("%+v %v", event, err)
		}
		if _, err := d.Decode(t.Context(), schemas.AppendFrame(nil, 77), nil); !errors.Is(err, schemas.ErrUnknownSchema) {
			t.Error(err)
		}
		if d.Registry() == nil {
			t.Error("no registry")
		}
	})
}
