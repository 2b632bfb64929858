package sink

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/twmb/franz-go/pkg/kfake"
)

// endless answers with a status and a body that does not end before the client goes.
func endless(status int) http.HandlerFunc {
	chunk := bytes.Repeat([]byte(`{"__type":"`), 8<<10)
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
}

// clientOf is a client of a service at an address, with keys of its own.
func clientOf(t *testing.T, endpoint string, change func(*Config, *Options)) *client {
	t.Helper()
	cfg := Config{Region: "us-east-1", Endpoint: endpoint, Credentials: Credentials{AccessKeyID: fixed("AKID"), SecretAccessKey: fixed("SECRET")}}
	opts := Options{Lanes: 1}.withDefaults()
	if change != nil {
		change(&cfg, &opts)
	}
	c, err := newClient(t.Context(), cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func TestAnEndlessAnswerCostsItsLimit(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusInternalServerError, http.StatusFound} {
		for _, contentType := range []string{jsonType, cborType} {
			endlessCosts(t, status, contentType)
		}
	}
}

func endlessCosts(t *testing.T, status int, contentType string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		endless(status)(w, r)
	}))
	t.Cleanup(server.Close)
	c := clientOf(t, server.URL, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	x := &exchange{body: []byte("{}")}
	_, err := c.putRecords(t.Context(), x)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Fatalf("%d: no error", status)
	}
	if x.trim(keepCall); cap(x.answer) > keepAnswer {
		t.Errorf("%d: %d KB are kept", status, cap(x.answer)>>10)
	}
	v, shown := c.classify("PutRecords", err)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16<<20 {
		t.Errorf("%d: %d KB were allocated", status, allocated>>10)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	if v.action == refuse || !strings.Contains(shown.Error(), host) || len(shown.Error()) > 300 {
		t.Errorf("%d: %v %v", status, v, shown)
	}
	if status == http.StatusOK {
		if !errors.As(err, new(answerTooLarge)) || !strings.Contains(shown.Error(), "more than the 1048576 bytes") {
			t.Errorf("%d: %v", status, shown)
		}
	} else if !strings.Contains(shown.Error(), ", HTTP ") {
		t.Errorf("%d: %v", status, shown)
	}
}

func TestAnAnswerOfTheLargestKindFits(t *testing.T) {
	entries := strings.Repeat(`{"ErrorCode":"InternalFailure","ErrorMessage":"`+strings.Repeat("x", 500)+`"},`, maxBatchRecords)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"FailedRecordCount":500,"Records":[`+strings.TrimSuffix(entries, ",")+`]}`)
	}))
	t.Cleanup(server.Close)
	results, err := clientOf(t, server.URL, nil).putRecords(t.Context(), &exchange{body: []byte("{}")})
	if err != nil || len(results) != maxBatchRecords {
		t.Error(err)
	}
}

// dripping answers a byte a second, for ever.
func dripping(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		for {
			if _, err := w.Write([]byte(" ")); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // the next write fails too
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Second):
			}
		}
	}
}

func TestAnAnswerThatDripsEndsInTime(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusForbidden} {
		synctest.Test(t, func(t *testing.T) {
			network := new(kfake.VirtualNetwork)
			serveOn(t, network, "localhost:4567", dripping(status))
			c := clientOf(t, "http://localhost:4567", func(_ *Config, o *Options) { o.Dial = network.DialContext })
			began := time.Now()
			_, err := c.api.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("it")})
			if took := time.Since(began); err == nil || took > answerTime {
				t.Errorf("%d: %v after %v", status, err, took)
			}
			if v, shown := c.classify("read records", err); v.action == refuse || !strings.Contains(shown.Error(), "localhost:4567") {
				t.Errorf("%v: %v", v, shown)
			}
		})
	}
}

// TestCredentialsRecoverFromAnAnswerThatDrips: who asks next waits for the call that
// hangs, which has no deadline of its own.
func TestCredentialsRecoverFromAnAnswerThatDrips(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://localhost:4568")
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		serveOn(t, network, "localhost:4567", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"Records":[]}`) })
		drips := true
		serveOn(t, network, "localhost:4568", func(w http.ResponseWriter, r *http.Request) {
			if drips {
				dripping(http.StatusOK)(w, r)
				return
			}
			_, _ = io.WriteString(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>B</SecretAccessKey><SessionToken>C</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
		})
		c := clientOf(t, "http://localhost:4567", func(cfg *Config, o *Options) {
			o.Dial = network.DialContext
			cfg.Credentials.RoleARN = "arn:aws:iam::123456789012:role/leads"
		})
		put := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), requestTimeout)
			defer cancel()
			_, err := c.putRecords(ctx, &exchange{body: []byte("{}")})
			return err
		}
		if err := put(); err == nil {
			t.Error("credentials came of an answer that never ended")
		}
		drips = false
		<-time.After(answerTime)
		if err := put(); err != nil {
			t.Error(err)
		}
	})
}

func serveOn(t *testing.T, network *kfake.VirtualNetwork, address string, handler http.HandlerFunc) {
	t.Helper()
	listener, err := network.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	ended := make(chan struct{})
	go func() { _ = server.Serve(listener); close(ended) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
}

// TestTheMetadataServiceIsReadWithinLimits asks the default chain, whose clients
// the SDK makes.
func TestTheMetadataServiceIsReadWithinLimits(t *testing.T) {
	server := httptest.NewServer(endless(http.StatusOK))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL, "AWS_EC2_METADATA_DISABLED": "false", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
	} {
		t.Setenv(name, value)
	}
	var log bytes.Buffer
	c := clientOf(t, "http://127.0.0.1:1", func(cfg *Config, o *Options) {
		cfg.Credentials = Credentials{}
		o.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	})
	for call, ask := range map[string]func() error{
		"PutRecords": func() error {
			_, err := c.putRecords(t.Context(), &exchange{body: []byte("{}")})
			return err
		},
		"ListShards": func() error {
			_, err := c.api.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("leads")})
			return err
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := ask()
		runtime.ReadMemStats(&after)
		v, shown := c.classify(call, err)
		if allocated := after.TotalAlloc - before.TotalAlloc; v.reason != HoldCredentials || allocated > 32<<20 {
			t.Errorf("%s: %v, %d MB: %v", call, v, allocated>>20, shown)
		}
	}
}

func TestAnErrorOfTheStreamNamesHostProxyAndStatus(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"message":"not\nauthorized\u001b[2J \u202eyllaer"}`)
	}))
	t.Cleanup(refusing.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no way", http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	through.User = url.UserPassword("svc", "hunter2")
	host := func(address string) string { return strings.TrimPrefix(address, "http://") }
	for _, c := range []struct {
		endpoint, want string
		proxied        bool
		reason         string
	}{
		{refusing.URL, "PutRecords: AccessDeniedException: not authorized [2J  yllaer (" + host(refusing.URL) + ", HTTP 400)", false, "access-denied"},
		{"http://127.0.0.1:1", "PutRecords: connection refused (127.0.0.1:1)", false, HoldUnreachable},
		{"https://kinesis.us-east-1.amazonaws.com", "PutRecords: the proxy refuses the connection, HTTP 407 Proxy Authentication Required (kinesis.us-east-1.amazonaws.com through the proxy " + host(proxy.URL) + ")", true, HoldUnreachable},
		{"http://stream.example.com", "PutRecords: an answer that is none of the service's, as of a proxy (stream.example.com through the proxy " + host(proxy.URL) + ", HTTP 407)", true, HoldUnknown},
	} {
		client := clientOf(t, c.endpoint, nil)
		if c.proxied {
			client.proxy = http.ProxyURL(through)
			client.transport.base.(*http.Transport).Proxy = client.proxy
		}
		_, err := client.putRecords(t.Context(), &exchange{body: []byte("{}")})
		v, shown := client.classify("PutRecords", err)
		if shown.Error() != c.want || v.reason != c.reason {
			t.Errorf("%s %v\nwant %s", v.reason, shown, c.want)
		}
	}
}

func TestKeysWithBlanksAreMistakes(t *testing.T) {
	for _, key := range []string{"AKIA EXAMPLE", "AKIA\nEXAMPLE", " AKIA", "ex\u00e4mple", "AKIA\u200b"} {
		cfg := Config{Region: "us-east-1", Stream: "leads", Credentials: Credentials{AccessKeyID: fixed("AKID"), SecretAccessKey: fixed(key)}}
		var found []string
		cfg.Validate(func(path, message string) { found = append(found, path+": "+message) })
		if len(found) != 1 || !strings.HasPrefix(found[0], "target.kinesis.credentials.secretAccessKey: holds a blank") || strings.Contains(found[0], key) {
			t.Errorf("%q: %q", key, found)
		}
		if _, err := cfg.Credentials.retrieve(t.Context()); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestTheSDKLogsAsThisProcessDoes(t *testing.T) {
	own := slog.New(slog.DiscardHandler)
	c, err := newClient(t.Context(), Config{Region: "us-east-1", Stream: "s"}, Options{Logger: own, Lanes: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.api.Options().Logger; got != (sdkLogger{own}) {
		t.Errorf("the client logs to %T", got)
	}
	var log bytes.Buffer
	sdkLogger{slog.New(slog.NewJSONHandler(&log, nil))}.Logf("WARN", "failed: %s", "two\nlines\x1b[2J")
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"text":"failed: two lines [2J"`) {
		t.Error(got)
	}
}
