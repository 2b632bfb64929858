package schemas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
)

// TestAFollowerMayBeMomentsBehind: the producer uses a new schema at once, and a follower of the registry's cluster does
// not have it yet.
func TestAFollowerMayBeMomentsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := embeddedregistry.New()
		r := registryAt(t, server, schemas.RegistryConfig{})
		time.AfterFunc(2*time.Second, func() { server.Register("s", recordText) })
		began := time.Now()
		if _, err := r.ByID(t.Context(), 1); err != nil {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if took := time.Since(began); took > 4*time.Second || server.Requests() > 8 {
			t.Errorf("it took %v and %d requests", took, server.Requests())
		}
	})
}

// TestARegistrysOtherAddressMayKnowMore: of two that have the same schemas one can be behind.
func TestARegistrysOtherAddressMayKnowMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind, ahead := embeddedregistry.New(), embeddedregistry.New()
		id := ahead.Register("s", recordText)
		r := registryAt(t, byHost{"a": behind, "b": ahead}, schemas.RegistryConfig{URL: "http://a,http://b"})
		if _, err := r.ByID(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
}

// TestStrangersDoNotHoldAPartitionForLong: bytes that are no frame name a thousand schemas that nobody has.
func TestStrangersDoNotHoldAPartitionForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := embeddedregistry.New()
		r := registryAt(t, server, schemas.RegistryConfig{})
		began := time.Now()
		for id := range 1000 {
			if _, err := r.ByID(t.Context(), 1000+id); !errors.Is(err, schemas.ErrUnknownSchema) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 31*time.Second {
			t.Errorf("a thousand strangers took %v", took)
		}
		// The same stranger again is waited for no more, also when its answer has to be asked for anew.
		<-time.After(time.Minute) // virtual time
		before := time.Now()
		if _, err := r.ByID(t.Context(), 1000); !errors.Is(err, schemas.ErrUnknownSchema) || time.Since(before) != 0 {
			t.Errorf("%v after %v", err, time.Since(before))
		}
		<-time.After(15 * time.Minute)
		time.AfterFunc(time.Second, func() { server.Register("s", recordText) })
		if _, err := r.ByID(t.Context(), 1); err != nil {
			t.Errorf("after a while one is waited for again: %v", err)
		}
	})
}

func TestWhoWaitsForAnUnknownSchemaMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registryAt(t, embeddedregistry.New(), schemas.RegistryConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := r.ByID(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || schemas.IsMessageFault(err) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// referring is a registry of schemas that refer to two versions of another one.
func referring() *embeddedregistry.Registry {
	server := embeddedregistry.New()
	server.Register("addr", `{"type":"record","name":"Addr","namespace":"acme","fields":[{"name":"city","type":"string"}]}`)
	server.Register("addr", `{"type":"record","name":"Addr","namespace":"acme","fields":[{"name":"city","type":"string"},{"name":"zip","type":"int"}]}`)
	server.Register("inlined", `{"type":"record","name":"Account","namespace":"acme","fields":[{"name":"billing","type":{"type":"record","name":"Addr","fields":[{"name":"city","type":"string"}]}}]}`)
	return server
}

const bothText = `{"type":"record","name":"Both","namespace":"acme","fields":[{"name":"account","type":"Account"},{"name":"addr","type":"Addr"}]}`

// TestOfReferencesWithANameTheFirstCounts, as the registry's own clients resolve them: depth first, by name.
func TestOfReferencesWithANameTheFirstCounts(t *testing.T) {
	server := referring()
	server.RegisterReferring("account", `{"type":"record","name":"Account","namespace":"acme","fields":[{"name":"billing","type":"Addr"}]}`,
		embeddedregistry.Reference{Name: "acme.Addr", Subject: "addr", Version: 1})
	account := embeddedregistry.Reference{Name: "acme.Account", Subject: "account", Version: 1}
	newer := embeddedregistry.Reference{Name: "acme.Addr", Subject: "addr", Version: 2}
	for _, c := range []struct {
		references []embeddedregistry.Reference
		fields     int // of Addr
	}{
		{[]embeddedregistry.Reference{account, newer}, 1},
		{[]embeddedregistry.Reference{newer, account}, 2},
		// Account defines Addr itself, in the same way as the reference.
		{[]embeddedregistry.Reference{{Name: "acme.Account", Subject: "inlined", Version: 1}, {Name: "acme.Addr", Subject: "addr", Version: 1}}, 1},
	} {
		id := server.RegisterReferring(fmt.Sprint(c.references), bothText, c.references...)
		s, err := registryAt(t, server, schemas.RegistryConfig{}).ByID(t.Context(), id)
		if err != nil {
			t.Error(err)
			continue
		}
		addr := s.Root.Field("addr").Type
		if addr != s.Root.Field("account").Type.Field("billing").Type || len(addr.Fields) != c.fields {
			t.Errorf("%v: Addr has %d fields, and is another in Account", c.references, len(addr.Fields))
		}
	}
	id := server.RegisterReferring("differing", bothText, embeddedregistry.Reference{Name: "acme.Account", Subject: "inlined", Version: 1}, newer)
	if _, err := registryAt(t, server, schemas.RegistryConfig{}).ByID(t.Context(), id); !errors.Is(err, schemas.ErrInvalidSchema) || !strings.Contains(err.Error(), "acme.Addr is defined twice, and not the same") {
		t.Errorf("two definitions that differ: %v", err)
	}
}

func TestASchemaThatIsReferredToMayBeDeleted(t *testing.T) {
	server := referring()
	id := server.RegisterReferring("s", `{"type":"record","name":"S","fields":[{"name":"a","type":"acme.Addr"}]}`,
		embeddedregistry.Reference{Name: "acme.Addr", Subject: "addr", Version: 1})
	client := inMemory(t, server)
	for _, subject := range []string{"s", "addr"} { // none is deleted that one which is there refers to
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://registry/subjects/"+subject+"/versions/1", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	response, err := client.Get("http://registry/subjects/addr/versions/1")
	if err != nil || response.StatusCode != http.StatusNotFound {
		t.Fatal("the version is there as before", response, err)
	}
	_ = response.Body.Close()
	r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: "http://registry"}, client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ByID(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// TestASchemaIsFoundByWhateverNamesIt: an id of four bytes, one of Apicurio's eight, or a header.
func TestASchemaIsFoundByWhateverNamesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := embeddedregistry.New()
		id := server.Register("s", recordText)
		d, err := schemas.NewDecoder(schemas.Config{Registry: &schemas.RegistryConfig{URL: "http://registry"}}, inMemory(t, server))
		if err != nil {
			t.Fatal(err)
		}
		guid := string(server.GUID(id))
		for _, c := range []struct {
			value, header string
			origin        string
			want          error
		}{
			{"\x00\x00\x00\x00\x01\x02x", "", "schema id 1", nil},
			{"\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02x", "", "schema id 1", nil},
			{"\x02x", "\x01" + guid, "schema guid ", nil},
			{"\x02x", "\x00\x00\x00\x00\x01", "schema id 1", nil},
			{"\x02x", "\x01" + strings.Repeat("\x07", 16), "", schemas.ErrUnknownSchema},
			{"\x02x", "\x01" + guid[1:], "", schemas.ErrMalformed},
			{"\x02x", "\x02" + guid, "", schemas.ErrMalformed},
			{"\x02x", "\x00\x00\x00\x00\x00", "", schemas.ErrMalformed},
			{"\x00\x00\x00\x00\x00\x02x", "", "", schemas.ErrMalformed},
			{"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02x", "", "", schemas.ErrMalformed},
		} {
			event, err := d.Decode(t.Context(), []byte(c.value), []byte(c.header))
			if !errors.Is(err, c.want) {
				t.Errorf("%x, header %x: %v", c.value, c.header, err)
			}
			if c.want == nil && (err != nil || string(event.Body) != "\x02x" || !strings.HasPrefix(event.Schema.Origin, c.origin)) {
				t.Errorf("%x, header %x: %x of %v, %v", c.value, c.header, event.Body, event.Schema, err)
			}
		}
		if n := server.Requests(); n > 10 {
			t.Errorf("%d requests: a schema was asked for again", n)
		}
	})
}

func TestARegistryThatKnowsNoGUIDsIsSaidToBeOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registryAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error_code":404,"message":"HTTP 404 Not Found"}`)
		}), schemas.RegistryConfig{})
		if _, err := r.ByGUID(t.Context(), schemas.GUID{1}); !errors.Is(err, schemas.ErrUnknownSchema) || !strings.Contains(err.Error(), "older registries") {
			t.Error(err)
		}
	})
}

// TestARegistryThatHasNoPathForGUIDsIsNotAway: Apicurio answers with a bare 404, as an address that is no registry's
// does. A GUID that a producer made up held its partition for ever.
func TestARegistryThatHasNoPathForGUIDsIsNotAway(t *testing.T) {
	for _, registry := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := registryAt(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				if registry && strings.HasPrefix(request.URL.Path, "/schemas/ids/") {
					_, _ = io.WriteString(w, `{"error_code":40403,"message":"Schema not found"}`)
				}
			}), schemas.RegistryConfig{})
			_, err := r.ByGUID(t.Context(), schemas.GUID{1})
			if unknown := errors.Is(err, schemas.ErrUnknownSchema); unknown != registry || unknown != strings.Contains(fmt.Sprint(err), "older registries") || schemas.IsMessageFault(err) != registry {
				t.Errorf("of a registry %t: %v", registry, err)
			}
		})
	}
}
