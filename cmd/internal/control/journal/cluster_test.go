package journal

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/control/topic"
	"kinesis-destination/consumer/embeddedkafka"
)

// node is the folder of a real Kafka node, which .ci/servers.sh prepares: its script
// start becomes the node's process, and leaves its number in the file pid.
type node string

func (n node) start(t *testing.T) {
	t.Helper()
	command := exec.Command(filepath.Join(string(n), "start"))
	if err := command.Start(); err != nil {
		t.Fatal("start a Kafka node:", err)
	}
	go func() { _ = command.Wait() }() // how it ends is the story's
	for deadline := time.Now().Add(time.Minute); n.process() != command.Process.Pid; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = command.Process.Kill()
			t.Fatal("the Kafka node does not start")
		}
	}
}

// process is the number of the node's process; 0: it was not started.
func (n node) process() int {
	text, err := os.ReadFile(filepath.Join(string(n), "pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// kill ends the node's process, where it runs, and awaits that.
func (n node) kill(t *testing.T) {
	t.Helper()
	pid := n.process()
	if pid <= 0 {
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal("end a Kafka node:", err)
	}
	for deadline := time.Now().Add(time.Minute); running(pid); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the Kafka node does not end")
		}
	}
	if err := os.Remove(filepath.Join(string(n), "pid")); err != nil { // its number may soon be another's
		t.Fatal(err)
	}
}

func running(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(after, "Z")
}

// threeBrokers are real ones where the environment says where they are, else embedded ones.
func threeBrokers(t *testing.T) (k Kafka, stop, start func(id int)) {
	t.Helper()
	k.Topic = "control-" + strings.ToLower(newID()[:8])
	folders := os.Getenv("KAFKA_CLUSTER_NODES")
	if folders == "" {
		c, err := embeddedkafka.Start(embeddedkafka.Options{Ports: []int{0, 0, 0}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		k.Brokers = c.ListenAddrs()
		ports := map[int]int{}
		return k, func(id int) {
				_, port, _ := strings.Cut(k.Brokers[id], ":")
				ports[id], _ = strconv.Atoi(port)
				if err := c.RemoveNode(int32(id)); err != nil {
					t.Fatal(err)
				}
			}, func(id int) {
				if _, _, err := c.AddNode(int32(id), ports[id]); err != nil {
					t.Fatal(err)
				}
			}
	}
	k.Brokers = strings.Split(os.Getenv("KAFKA_CLUSTER_BROKERS"), ",")
	var nodes []node
	for folder := range strings.SplitSeq(folders, ",") {
		n := node(folder)
		t.Cleanup(func() { n.kill(t) })
		n.start(t)
		nodes = append(nodes, n)
	}
	awaitBrokers(t, k)
	return k, func(id int) { nodes[id-1].kill(t) }, func(id int) { nodes[id-1].start(t) }
}

// awaitBrokers waits until all brokers are there.
func awaitBrokers(t *testing.T, k Kafka) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); brokersOf(t, k) < len(k.Brokers); <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the brokers did not become ready")
		}
	}
}

// brokersOf is of how many brokers the last of them knows.
func brokersOf(t *testing.T, k Kafka) int {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(k.Brokers[len(k.Brokers)-1]), Transport: transport}
	res, err := client.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil {
		return 0
	}
	return len(res.Brokers)
}

// TestContractThreeBrokers: the topic is made with three replicas, two of them in
// sync; three processes write as one broker after the other is killed and comes back.
func TestContractThreeBrokers(t *testing.T) {
	k, stop, start := threeBrokers(t)
	stores := []*Store{openKafka(t, k), openKafka(t, k), openKafka(t, k)}
	a := adminOf(t, k)
	res, err := a.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{k.Topic}})
	if err != nil || len(res.Topics[0].Partitions) != 1 || len(res.Topics[0].Partitions[0].Replicas) != topic.Replicas {
		t.Fatalf("%+v %v", res, err)
	}
	if status := stores[0].Status(); status.ReadOnly != "" {
		t.Fatalf("%+v", status)
	}
	began := time.Now()
	if unknown := writers(t, 1000, stores...); unknown > 0 {
		t.Error(unknown)
	}
	t.Log("three brokers:", time.Since(began).Round(time.Millisecond))
	tag := stores[0].put(t, doc("flows/steady", "", `{}`))
	for range 2 {
		leader := leaderOf(t, adminOf(t, k)) // which does not know of an earlier one
		var writing sync.WaitGroup
		var unknown int
		writing.Go(func() { unknown, tag = steady(t, stores, tag) })
		stop(leader)
		writing.Wait()
		t.Logf("leader %d was killed: %d of 100 changes had to be made again", leader, unknown)
		start(leader)
		awaitBrokers(t, k)
	}
}

func leaderOf(t *testing.T, a admin) int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
		res, err := a.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{a.topic}})
		if err == nil && len(res.Topics) == 1 && len(res.Topics[0].Partitions) == 1 && res.Topics[0].Partitions[0].Error == nil {
			return res.Topics[0].Partitions[0].Leader.ID
		}
		if time.Now().After(deadline) {
			t.Fatal("no leader:", err)
		}
	}
}

// steady makes a hundred changes of one document, each until it is there, by each
// store in turn. No change is there without having been told so, or that it may be.
func steady(t *testing.T, stores []*Store, tag string) (again int, last string) {
	for n := range 100 {
		s := stores[n%len(stores)]
		for {
			next, err := s.Propose(t.Context(), Change{Docs: []Doc{doc("flows/steady", tag, `{}`)}})
			if err == nil {
				tag = next
				break
			}
			if again++; again > 100 {
				t.Error(err)
				return again, tag
			}
			snapshot, fresh := s.Read(t.Context())
			if now := snapshot.Etag("flows/steady"); fresh.Fresh && now != tag { // it happened all the same
				tag = now
				break
			}
		}
	}
	return again, tag
}
