package lag

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/consumer"
	"kinesis-destination/consumer/embeddedkafka"
)

// process is one of a group, with a partition.
func process(t *testing.T, address string, partition int, held string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip(err) // not every machine has all of 127.0.0.0/8
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(destination.Overview{Destinations: []destination.Status{{
			Name: "leads", Group: "leads", Partitions: []destination.PartitionStatus{{Topic: "events", Partition: partition, Held: held}},
		}}})
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener
}

// What the process at hand does not have was unknown, though the group says who has it.
func TestTheGroupsOtherProcessesAreAskedWhatTheyHold(t *testing.T) {
	_, port, err := net.SplitHostPort(process(t, "127.0.0.1:0", 0, "").Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	process(t, "127.0.0.2:"+port, 1, "topic-missing")
	c := config.Config{Name: "leads"}
	c.Source.Kafka.Group = "leads"
	owns := func(partition int) []consumer.Range { return []consumer.Range{{Topic: "events", Partition: partition}} }
	members := []consumer.Member{{Host: "127.0.0.1", Owns: owns(0)}, {Host: "127.0.0.2", Owns: owns(1)}, {Host: "127.0.0.3", Owns: owns(2)}}
	for listen, want := range map[string][4]string{
		":" + port:          {"no", "topic-missing", "member at 127.0.0.3", "read by nobody"},
		"127.0.0.1:" + port: {"no", "member at 127.0.0.2", "member at 127.0.0.3", "read by nobody"}, // as others listen for themselves alone
	} {
		c.Server.Listen = listen
		g := ask(t.Context(), &c, members)
		g.known = true
		for partition := range want {
			row := Row{Topic: "events", Partition: partition}
			if g.tell(&row); heldText(&row) != want[partition] {
				t.Errorf("%s, partition %d: %s, expected %s", listen, partition, heldText(&row), want[partition])
			}
		}
	}
}

// What the configuration says of its server holds for who asks there, too.
func TestStatusIsAskedWithTheTokenAndTheCertificateOfTheConfiguration(t *testing.T) {
	folders := [2]string{t.TempDir(), t.TempDir()}
	for _, folder := range folders {
		if err := embeddedkafka.WriteCertificates(folder); err != nil {
			t.Fatal(err)
		}
	}
	spoken, err := embeddedkafka.ServerTLS(folders[0], false)
	if err != nil {
		t.Fatal(err)
	}
	shown := ""
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = r.Header.Get("Authorization")
		_ = json.NewEncoder(w).Encode(destination.Overview{Destinations: []destination.Status{{Name: "leads", Group: "leads"}}})
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = spoken
	server.StartTLS()
	defer server.Close()
	c := config.Config{Name: "leads"}
	c.Source.Kafka.Group = "leads"
	c.Server.Token = config.Secret("secret", "")
	for i, folder := range folders {
		shown = ""
		file := filepath.Join(folder, embeddedkafka.ServerFile)
		c.Server.TLS = config.ServerTLS{CertFile: file, KeyFile: file}
		answer, _ := status(t.Context(), &c, server.Listener.Addr().String())
		if ours := i == 0; (answer != nil) != ours || (shown == "Bearer secret") != ours {
			t.Errorf("certificate %d: %v, %q", i, answer, shown)
		}
	}
}

// Whoever may join the group is one of its members, at an address of theirs.
func TestTheTokenGoesToNoOtherMachineOverPlainHTTP(t *testing.T) {
	c := config.Config{Name: "leads"}
	c.Server.Token = config.Secret("secret", "")
	for _, test := range []struct {
		listen, address string
		tls, want       bool
	}{
		{":8080", "127.0.0.1:8080", false, true},
		{":8080", "[::1]:8080", false, true},
		{"localhost:8080", "localhost:8080", false, true},
		{"10.0.0.5:8080", "10.0.0.5:8080", false, true},
		{":8080", "10.0.0.6:8080", false, false},
		{"10.0.0.5:8080", "10.0.0.6:8080", false, false},
		{"", ":8080", false, false},
		{":8080", "10.0.0.6:8080", true, true}, // of which the certificate is compared
	} {
		c.Server.Listen, c.Server.TLS = test.listen, config.ServerTLS{}
		if test.tls {
			c.Server.TLS.CertFile = "cert.pem"
		}
		if got := mayHaveToken(&c, test.address); got != test.want {
			t.Errorf("%s of %s, TLS %v: %v", test.address, test.listen, test.tls, got)
		}
	}
}

// A member elsewhere that wants the token is asked without it, and the output says so.
func TestAMemberElsewhereIsAskedWithoutTheTokenAndSaysSo(t *testing.T) {
	host := otherAddress(t)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skip(err)
	}
	shown := make(chan string, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization")
		w.WriteHeader(http.StatusUnauthorized)
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	c := config.Config{Name: "leads"}
	c.Source.Kafka.Group = "leads"
	c.Server.Listen, c.Server.Token = ":"+port, config.Secret("secret", "")
	g := ask(t.Context(), &c, []consumer.Member{{Host: host, Owns: []consumer.Range{{Topic: "events", Partition: 0}}}})
	if said := <-shown; said != "" {
		t.Errorf("the member at %s was shown %q", host, said)
	}
	row := Row{Topic: "events", Partition: 0}
	if g.tell(&row); heldText(&row) != "member at "+host+": "+tokenWithheld {
		t.Errorf("it says %q", heldText(&row))
	}
}

// otherAddress is one of this machine's that is no loopback.
func otherAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Skip(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback ones")
	return ""
}
