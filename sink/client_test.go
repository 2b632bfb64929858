package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"kinesis-destination/sink/embeddedkinesis"
)

// seen is a request as the service got it.
type seen struct {
	header http.Header
	host   string
	body   []byte
}

// listen returns a client of a server that keeps the last request.
func listen(t *testing.T, cfg Config) (*client, *seen) {
	t.Helper()
	last := new(seen)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*last = seen{r.Header.Clone(), r.Host, body}
		_, _ = io.WriteString(w, `{"FailedRecordCount":0,"Records":[]}`)
	}))
	t.Cleanup(server.Close)
	cfg.Region, cfg.Endpoint = "us-east-1", server.URL
	cfg.Credentials.AccessKeyID, cfg.Credentials.SecretAccessKey = fixed("AKID"), fixed("SECRET")
	c, err := newClient(t.Context(), cfg, Options{Lanes: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c, last
}

func TestOwnBodyIsWhatTheSDKWouldSendAndItsSignatureHolds(t *testing.T) {
	c, last := listen(t, Config{})
	keys := []string{"plain", "\x00\x1f\"\\/<>&", "é\u2028\U0001F600", strings.Repeat("k", 256)}
	body := beginJSON(nil)
	var records []types.PutRecordsRequestEntry
	for i, k := range keys {
		data := bytes.Repeat([]byte{byte(255 - i)}, i*7)
		if i > 0 {
			body = append(body, ',')
		}
		body = appendRecordJSON(body, data, k)
		records = append(records, types.PutRecordsRequestEntry{Data: data, PartitionKey: &k})
	}
	arn := "arn:aws:kinesis:us-east-1:123456789012:stream/leads"
	body = endJSON(body, arn)
	if _, err := c.putRecords(t.Context(), &exchange{body: body}); err != nil {
		t.Fatal(err)
	}
	own := *last
	if _, err := c.api.PutRecords(t.Context(), &kinesis.PutRecordsInput{Records: records, StreamARN: &arn}); err != nil {
		t.Fatal(err)
	}
	var a, b map[string]any
	if err := errors.Join(json.Unmarshal(own.body, &a), json.Unmarshal(last.body, &b)); err != nil {
		t.Fatal(err)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if !bytes.Equal(x, y) {
		t.Errorf("own body\n%s\nthe SDK's\n%s", x, y)
	}
	for _, h := range []string{"X-Amz-Target", "Content-Type"} {
		if own.header.Get(h) != last.header.Get(h) {
			t.Errorf("%s: %q, the SDK has %q", h, own.header.Get(h), last.header.Get(h))
		}
	}
	if want := resign(t, own); own.header.Get("Authorization") != want {
		t.Errorf("signed as %s, want %s", own.header.Get("Authorization"), want)
	}
}

// resign computes the signature that a request must have.
func resign(t *testing.T, r seen) string {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", r.header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(r.header.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	again, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.host+"/", bytes.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	for h := range strings.SplitSeq(list, ";") {
		if h != "host" && h != "content-length" {
			again.Header.Set(h, r.header.Get(h))
		}
	}
	sum := sha256.Sum256(r.body)
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET"}, again, hex.EncodeToString(sum[:]), "kinesis", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return again.Header.Get("Authorization")
}

func TestNothingIsWrittenAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Second))
		defer cancel()
		var got *body
		transport := &transport{base: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.Body.(*body)
			return nil, errors.New("not sent")
		})}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/", strings.NewReader("records"))
		if err != nil {
			t.Fatal(err)
		}
		if res, err := transport.RoundTrip(r); err == nil {
			_ = res.Body.Close()
		}
		<-time.After(2 * time.Second) // the process was stopped meanwhile
		if n, err := got.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errTooLate) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMetricsCountCallsRetriesAndWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		failed := false
		w := newWorld(t, worldOptions{
			options: func(o *Options) { o.Registerer = reg },
			kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
				if c.Operation != "PutRecords" {
					return embeddedkinesis.Action{}
				}
				return embeddedkinesis.Action{Delay: time.Second, Entry: func(int, string, string) string {
					if failed {
						return ""
					}
					failed = true
					return "ProvisionedThroughputExceededException"
				}}
			}},
		})
		value := func(name, label string) float64 {
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				for _, m := range f.Metric {
					if f.GetName() == name && has(m, "destination", "test") && (label == "" || has(m, "result", label) || has(m, "reason", label)) {
						return m.GetCounter().GetValue() + m.GetGauge().GetValue()
					}
				}
			}
			return 0
		}
		w.put("k", 0)
		<-time.After(500 * time.Millisecond)
		if v := value("kinesis_destination_in_flight", ""); v != 1 {
			t.Errorf("in flight %v", v)
		}
		w.oracle.await()
		synctest.Wait()
		for _, want := range []struct {
			name, label string
			value       float64
		}{
			{"kinesis_destination_in_flight", "", 0},
			{"kinesis_destination_put_records_total", "ok", 1},
			{"kinesis_destination_put_records_total", "partial", 1},
			{"kinesis_destination_retries_total", "throttled", 1},
		} {
			if v := value(want.name, want.label); v != want.value {
				t.Errorf("%s{%s} is %v", want.name, want.label, v)
			}
		}
	})
}

func has(m *dto.Metric, label, value string) bool {
	for _, l := range m.Label {
		if l.GetName() == label && l.GetValue() == value {
			return true
		}
	}
	return false
}

func TestRoleIsAssumedWithItsExternalID(t *testing.T) {
	var form string
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form = string(body)
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>`)
	}))
	t.Cleanup(sts.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	c, _ := listen(t, Config{Credentials: Credentials{RoleARN: "arn:aws:iam::123456789012:role/leads", ExternalID: "outer-id"}})
	_, err := c.putRecords(t.Context(), &exchange{body: []byte("{}")})
	v, shown := classify("PutRecords", err)
	if v.action != hold || v.reason != HoldCredentials || strings.Contains(shown.Error(), "SECRET") {
		t.Errorf("%v %s: %v", v.action, v.reason, shown)
	}
	for _, want := range []string{"Action=AssumeRole", "ExternalId=outer-id", "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fleads"} {
		if !strings.Contains(form, want) {
			t.Errorf("%s is missing in %s", want, form)
		}
	}
}

func TestKeysThatAreRotatedAreUsedWithinHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := "old"
		current := func() (string, error) { return key, nil }
		keys := Credentials{AccessKeyID: current, SecretAccessKey: current}
		cache := aws.NewCredentialsCache(aws.CredentialsProviderFunc(keys.retrieve))
		for _, want := range []string{"old", "new"} {
			c, err := cache.Retrieve(t.Context())
			if err != nil || c.AccessKeyID != want || c.SecretAccessKey != want {
				t.Errorf("key %s, %v, want %s", c.AccessKeyID, err, want)
			}
			key = "new"
			<-time.After(keysLast)
		}
		keys.SecretAccessKey = func() (string, error) { return "", os.ErrNotExist }
		<-time.After(keysLast)
		if _, err := cache.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "target.kinesis.credentials.secretAccessKey") {
			t.Error(err)
		}
	})
}
