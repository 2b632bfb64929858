package sink

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// The limits of what a call costs whatever it carries: 61 allocations and 5.6 KB
// on Go 1.26, most of them the signature's and the request's headers.
const (
	maxCallAllocations = 75
	maxCallBytes       = 12 << 10
)

func TestACallAllocatesNothingForARecord(t *testing.T) {
	flights, _ := benchBatch()
	for _, protocol := range []string{ProtocolJSON, ProtocolCBOR} {
		call, _ := benchCall(t, protocol)
		call(flights) // makes buffers and draft
		if n := testing.AllocsPerRun(20, func() { call(flights) }); n > maxCallAllocations {
			t.Errorf("%s: %v allocations a call of 500", protocol, n)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 20 {
			call(flights)
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / 20; n > maxCallBytes {
			t.Errorf("%s: %d bytes a call of 500", protocol, n)
		}
	}
}

// dated is a service whose clock is ahead.
func dated(t *testing.T, ahead time.Duration) (endpoint string, signed *time.Time) {
	t.Helper()
	signed = new(time.Time)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*signed, _ = time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, `{"Records":[]}`)
	}))
	t.Cleanup(server.Close)
	return server.URL, signed
}

func TestSignaturesAreOfTheServicesTime(t *testing.T) {
	for disabled, want := range map[string]time.Duration{"false": time.Hour, "true": 0} {
		t.Setenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION", disabled)
		endpoint, signed := dated(t, time.Hour)
		c := clientOf(t, endpoint, nil)
		for range 2 { // the first call learns of it
			if _, err := c.putRecords(t.Context(), &exchange{body: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
		if off := time.Until(*signed) - want; off > time.Minute || off < -time.Minute {
			t.Errorf("disabled %s: signed as of %v from now", disabled, time.Until(*signed))
		}
	}
}

func TestACallHasTheHeadersOfTheSDK(t *testing.T) {
	t.Setenv("AWS_SDK_UA_APP_ID", "leads")
	c, last := listen(t, Config{})
	if _, err := c.putRecords(t.Context(), &exchange{body: []byte(`{"Records":[]}`)}); err != nil {
		t.Fatal(err)
	}
	own := last.header
	if _, err := c.api.PutRecords(t.Context(), &kinesis.PutRecordsInput{Records: []types.PutRecordsRequestEntry{}}); err != nil {
		t.Fatal(err)
	}
	for name := range last.header {
		switch name {
		case "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request": // they number the SDK's own attempts
		case "Authorization", "X-Amz-Date", "Content-Length":
			if own.Get(name) == "" {
				t.Errorf("no %s", name)
			}
		default:
			if own.Get(name) != last.header.Get(name) {
				t.Errorf("%s: %q, the SDK has %q", name, own.Get(name), last.header.Get(name))
			}
		}
	}
}

func TestCallsGoWhereTheSDKIsTold(t *testing.T) {
	refused := errors.New("there is no network")
	for want, env := range map[string]string{
		"kinesis-fips.us-east-1.amazonaws.com:443": "AWS_USE_FIPS_ENDPOINT=true",
		"kinesis.us-east-1.api.aws:443":            "AWS_USE_DUALSTACK_ENDPOINT=true",
		"vpce.example.com:8443":                    "AWS_ENDPOINT_URL_KINESIS=https://vpce.example.com:8443",
	} {
		t.Run(env, func(t *testing.T) {
			name, value, _ := strings.Cut(env, "=")
			t.Setenv(name, value)
			var dialled []string
			c := clientOf(t, "", func(_ *Config, o *Options) {
				o.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
					dialled = append(dialled, address)
					return nil, refused
				}
			})
			_, err := c.putRecords(t.Context(), &exchange{body: []byte("{}")})
			if !errors.Is(err, refused) || !slices.Equal(dialled, []string{want}) {
				t.Errorf("%v, %v", dialled, err)
			}
		})
	}
}

// TestABufferThatMayStillBeReadIsLeft: a service that refuses a request answers
// before it has read all of it.
func TestABufferThatMayStillBeReadIsLeft(t *testing.T) {
	early := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-Requestid", "request-7")
		if early {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"Records":[]}`)
	}))
	t.Cleanup(server.Close)
	c := clientOf(t, server.URL, nil)
	x := &exchange{body: make([]byte, 16<<20)}
	at := &x.body[0]
	if _, err := c.putRecords(t.Context(), x); err != nil || len(x.body) == 0 || &x.body[0] != at {
		t.Errorf("a body that was read is not kept: %v", err)
	}
	early = true
	_, err := c.putRecords(t.Context(), x)
	if err == nil {
		t.Fatal("no error")
	}
	if x.body != nil {
		t.Error("a body that is not read to its end is kept")
	}
	if answered, ok := errors.AsType[*awshttp.ResponseError](err); ok && answered.ServiceRequestID() != "request-7" {
		t.Errorf("request id %q", answered.ServiceRequestID())
	}
}

func TestABodyThatIsAskedForAgainIsLeft(t *testing.T) {
	b := newBody(t.Context(), []byte("records"))
	if _, err := io.ReadAll(b); err != nil || !b.done() {
		t.Errorf("read, %v", err)
	}
	second, err := b.again()
	if text, _ := io.ReadAll(second); err != nil || string(text) != "records" || b.done() {
		t.Errorf("%q, %v, done %v", text, err, b.done())
	}
}
