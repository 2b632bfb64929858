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
		answer := status(t.Context(), &c, server.Listener.Addr().String())
		if ours := i == 0; (answer != nil) != ours || (shown == "Bearer secret") != ours {
			t.Errorf("certificate %d: %v, %q", i, answer, shown)
		}
	}
}
