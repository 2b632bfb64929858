package sink

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestHourLongOutageLosesNothingAndCostsLittle(t *testing.T) {
	causes := map[string]struct {
		act    embeddedkinesis.Action
		reason string
	}{
		"access denied":   {embeddedkinesis.Action{Code: "AccessDeniedException"}, "access-denied"},
		"expired token":   {embeddedkinesis.Action{Code: "ExpiredTokenException"}, "expired-token"},
		"kms disabled":    {embeddedkinesis.Action{Code: "KMSDisabledException"}, "kms-disabled"},
		"stream missing":  {embeddedkinesis.Action{Code: "ResourceNotFoundException"}, "stream-missing"},
		"server errors":   {embeddedkinesis.Action{Code: "InternalFailure"}, "service-unavailable"},
		"no answers":      {embeddedkinesis.Action{Drop: embeddedkinesis.DropBefore}, "service-unavailable"},
		"lost answers":    {embeddedkinesis.Action{Drop: embeddedkinesis.DropAfter}, "service-unavailable"},
		"hanging":         {embeddedkinesis.Action{Delay: 10 * time.Minute}, "service-unavailable"},
		"request expired": {embeddedkinesis.Action{Code: "RequestExpired"}, "clock-skew"},
		"late clock":      {embeddedkinesis.Action{Code: "InvalidSignatureException", Message: "Signature expired: 20000101T000000Z is now earlier than 20000101T001000Z (20000101T001500Z - 5 min.)"}, "clock-skew"},
		"early clock":     {embeddedkinesis.Action{Code: "InvalidSignatureException", Message: "Signature not yet current: 20000101T002000Z is still later than 20000101T001000Z (20000101T000500Z + 5 min.)"}, "clock-skew"},
		"wrong secret":    {embeddedkinesis.Action{Code: "InvalidSignatureException", Message: "The request signature we calculated does not match the signature you provided."}, HoldCredentials},
		"unknown code":    {embeddedkinesis.Action{Code: "SomethingNewException"}, "unknown-error"},
	}
	for name, cause := range causes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				for i := range 200 {
					w.put(fmt.Sprint("k", i%50), 0)
				}
				w.oracle.await()
				before := w.stream.Counters()["PutRecords"]
				w.stream.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
					if c.Operation != "PutRecords" {
						return embeddedkinesis.Action{}
					}
					return cause.act
				})
				for i := range 100 {
					w.put(fmt.Sprint("k", i%50), 0)
				}
				<-time.After(time.Hour)
				if st := w.sink.Stats(); st.Hold != cause.reason || st.Queued != 100 {
					t.Errorf("after an hour: %+v", st)
				}
				calls := w.stream.Counters()["PutRecords"] - before
				t.Logf("%d calls in an hour of outage", calls)
				if calls > 400 {
					t.Errorf("%d calls in an hour of outage", calls)
				}
				w.stream.SetScript(nil)
				w.oracle.await()
				w.delivered()
				w.check()
				if got := w.reported(); !slices.Equal(got, []string{cause.reason, ""}) {
					t.Errorf("holds reported: %q", got)
				}
			})
		})
	}
}

func TestUnreachableEndpointHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{config: func(c *Config) { c.Endpoint = "http://localhost:4999" }})
		w.put("k", 0)
		<-time.After(time.Minute)
		if got := w.reported(); !slices.Equal(got, []string{"endpoint-unreachable"}) {
			t.Fatalf("holds reported: %q", got)
		}
		w.serve(4999)
		w.oracle.await()
		w.delivered()
		if got := w.reported(); !slices.Equal(got, []string{"endpoint-unreachable", ""}) {
			t.Errorf("holds reported: %q", got)
		}
	})
}

func TestEndpointWhoseNameDoesNotResolveHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var resolves atomic.Bool
		var network *kfake.VirtualNetwork
		w := newWorld(t, worldOptions{options: func(o *Options) {
			o.Dial = func(ctx context.Context, n, address string) (net.Conn, error) {
				if !resolves.Load() {
					return nil, &net.OpError{Op: "dial", Net: n, Err: &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}}
				}
				return network.DialContext(ctx, n, address)
			}
		}})
		network = w.network
		w.put("k", 0)
		<-time.After(time.Hour)
		if got := w.reported(); !slices.Equal(got, []string{HoldUnreachable}) {
			t.Fatalf("holds reported: %q", got)
		}
		resolves.Store(true)
		w.oracle.await()
		w.delivered()
		if w.check() != 0 {
			t.Error("duplicates")
		}
	})
}

func TestStreamThatIsMissingCreatingOrIgnoringKeysHoldsFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{missing: true})
		w.put("k", 0)
		<-time.After(2 * time.Minute)
		w.stream.Create(embeddedkinesis.Stream{Name: testStream, OnDemand: true, Strategy: "AUTO"})
		<-time.After(2 * time.Minute)
		if n := len(w.stream.History(testStream)); n != 0 {
			t.Errorf("%d records on a stream that ignores keys", n)
		}
		w.stream.Create(embeddedkinesis.Stream{Name: testStream, OnDemand: true})
		w.oracle.await()
		w.delivered()
		if got := w.reported(); !slices.Equal(got, []string{"stream-missing", "partition-keys-ignored", ""}) {
			t.Errorf("holds reported: %q", got)
		}
	})
}

func TestStreamThatBeginsToIgnoreKeysHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{stream: embeddedkinesis.Stream{OnDemand: true}})
		w.put("k", 0)
		w.oracle.await()
		w.stream.Create(embeddedkinesis.Stream{Name: testStream, OnDemand: true, Strategy: "AUTO"})
		<-time.After(describeEvery + time.Second)
		w.put("k", 0)
		<-time.After(time.Minute)
		if n := len(w.stream.History(testStream)); n != 0 || w.sink.Stats().Hold != HoldKeysIgnored {
			t.Errorf("%d stored, hold %q", n, w.sink.Stats().Hold)
		}
		if last := w.sink.Stats().LastErrors; len(last) != 1 || last[0].Reason != HoldKeysIgnored {
			t.Errorf("last errors %+v", last)
		}
	})
}

func TestWithoutTheRightToDescribeTheSinkGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "DescribeStreamSummary" {
				return embeddedkinesis.Action{Code: "AccessDeniedException"}
			}
			return embeddedkinesis.Action{}
		}}})
		w.put("k", 0)
		w.oracle.await()
		w.delivered()
		if got := w.reported(); len(got) != 0 {
			t.Errorf("holds reported: %q", got)
		}
	})
}

func TestOutageDeadLettersNothingWhateverTheRetryAllows(t *testing.T) {
	for what, act := range map[string]embeddedkinesis.Action{
		"no answers":    {Drop: embeddedkinesis.DropBefore},
		"server errors": {Code: "InternalFailure"},
		"access denied": {Code: "AccessDeniedException"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{
					config:  func(c *Config) { c.Retry.MaxElapsedTime = time.Minute },
					options: func(o *Options) { o.DeadLetter.OnExhausted = deadletter.OnExhaustedDeadLetter },
				})
				w.put("k", 0).wait()
				w.stream.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action { return act })
				w.put("k", 0)
				<-time.After(10 * time.Minute)
				w.stream.SetScript(nil)
				w.oracle.await()
				w.delivered()
			})
		})
	}
}

func TestEndpointWithoutTrustedTLSHoldsAtOnce(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	certificates := server.TLS.Certificates
	server.Close()
	for what, listen := range map[string]func(net.Listener) net.Listener{
		"plain HTTP":            func(l net.Listener) net.Listener { return l },
		"untrusted certificate": func(l net.Listener) net.Listener { return tls.NewListener(l, &tls.Config{Certificates: certificates}) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{config: func(c *Config) { c.Endpoint = "https://localhost:4999" }})
				listener, err := w.network.Listen("tcp", "localhost:4999")
				if err != nil {
					t.Fatal(err)
				}
				secure := &http.Server{Handler: w.stream, ErrorLog: log.New(io.Discard, "", 0)}
				ended := make(chan struct{})
				go func() { _ = secure.Serve(listen(listener)); close(ended) }()
				w.put("k", 0)
				<-time.After(2 * time.Second)
				if got := w.sink.Stats().Hold; got != HoldUnreachable {
					t.Errorf("hold %q", got)
				}
				_ = secure.Close()
				<-ended
			})
		})
	}
}
