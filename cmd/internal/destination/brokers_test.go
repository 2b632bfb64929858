package destination

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/sink/embeddedkinesis"
)

// node is the folder of a real Kafka node. The script start in it becomes the
// node's process and leaves its number in the file pid, by which .ci/contract
// ends whatever still runs in the end.
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

// process is the number of the node's process; 0: it does not run.
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

// end sends the node's process a signal that ends it, and awaits that.
func (n node) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	pid := n.process()
	if pid == 0 { // a signal to 0 would be to ourselves
		t.Fatal("end a Kafka node: it does not run")
	}
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal("end a Kafka node:", err)
	}
	for deadline := time.Now().Add(time.Minute); alive(pid); pass(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the Kafka node does not end")
		}
	}
	// Its number may soon be another process's.
	if err := os.Remove(filepath.Join(string(n), "pid")); err != nil {
		t.Fatal(err)
	}
}

// alive says whether a process runs; one that ended and was not waited for does not.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(after, "Z")
}

// cluster is a Kafka of three brokers that a story may stop: real ones, which
// are started for it, where the environment says where they are; else the
// embedded ones.
type cluster struct {
	ids      []int // of the brokers
	addrs    []string
	nodes    []node // real ones
	embedded *embeddedkafka.Cluster
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	folders := os.Getenv("KAFKA_CLUSTER_NODES")
	if folders == "" {
		embedded, err := embeddedkafka.Start(embeddedkafka.Options{Ports: []int{0, 0, 0}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(embedded.Close)
		return &cluster{ids: []int{0, 1, 2}, addrs: embedded.ListenAddrs(), embedded: embedded}
	}
	c := &cluster{ids: []int{1, 2, 3}, addrs: strings.Split(os.Getenv("KAFKA_CLUSTER_BROKERS"), ",")}
	for folder := range strings.SplitSeq(folders, ",") {
		n := node(folder)
		n.start(t)
		t.Cleanup(func() {
			if alive(n.process()) {
				n.end(t, syscall.SIGKILL)
			}
		})
		c.nodes = append(c.nodes, n)
	}
	for deadline := time.Now().Add(time.Minute); !c.complete(t); pass(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the three brokers did not become ready")
		}
	}
	return c
}

// complete tells whether each broker knows of all.
func (c *cluster) complete(t *testing.T) bool {
	for _, addr := range c.addrs {
		transport := &kafka.Transport{}
		res, err := (&kafka.Client{Addr: kafka.TCP(addr), Transport: transport}).Metadata(t.Context(), &kafka.MetadataRequest{})
		transport.CloseIdleConnections()
		if err != nil || len(res.Brokers) < len(c.addrs) {
			return false
		}
	}
	return true
}

// end ends the i-th broker: by SIGTERM it hands its partitions over first, by
// SIGKILL it is missed. The embedded one knows the first only.
func (c *cluster) end(t *testing.T, i int, sig syscall.Signal) {
	t.Helper()
	if c.nodes != nil {
		c.nodes[i].end(t, sig)
	} else if err := c.embedded.RemoveNode(int32(c.ids[i])); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	if c.nodes != nil {
		c.nodes[i].start(t)
		return
	}
	_, port, err := net.SplitHostPort(c.addrs[i])
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.embedded.AddNode(int32(c.ids[i]), number); err != nil {
		t.Fatal(err)
	}
}

// site is a site at the cluster, with a stream that has faults, to which events
// are written by an idempotent producer: what stands twice on the stream was
// sent twice by the destination.
func (c *cluster) site(t *testing.T) *site {
	t.Helper()
	s := newSiteAt(t, embeddedkinesis.Random(31, embeddedkinesis.Rates{Throttle: .02}), c.addrs, c.nodes != nil, nil)
	producer := c.producer(t, s)
	s.write = func(messages ...kafka.Message) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := producer.ProduceSync(ctx, records(messages)...).FirstErr(); err != nil {
			t.Fatal("produce:", err)
		}
	}
	return s
}

func (c *cluster) producer(t *testing.T, s *site, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	producer, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.addrs...), kgo.DefaultProduceTopic(s.topic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return producer
}

func records(messages []kafka.Message) []*kgo.Record {
	var records []*kgo.Record
	for _, m := range messages {
		records = append(records, &kgo.Record{Key: m.Key, Value: m.Value})
	}
	return records
}

// partitions are the site's as the cluster has them now.
func (s *site) partitions() []kafka.Partition {
	res, err := s.kafka.Metadata(s.t.Context(), &kafka.MetadataRequest{Topics: []string{s.topic}})
	if err != nil || len(res.Topics) == 0 || res.Topics[0].Error != nil {
		return nil
	}
	return res.Topics[0].Partitions
}

// insync tells whether every partition has a leader and all its replicas in sync.
func (s *site) insync() bool {
	partitions := s.partitions()
	for _, p := range partitions {
		if p.Error != nil || len(p.Isr) != len(p.Replicas) || p.Leader.Host == "" {
			return false
		}
	}
	return len(partitions) == sitePartitions
}

// writable tells whether every partition has a leader that answers. Metadata do
// not tell: the client keeps some for a while.
func (s *site) writable() bool {
	ends := map[string][]kafka.OffsetRequest{}
	for p := range sitePartitions {
		ends[s.topic] = append(ends[s.topic], kafka.LastOffsetOf(p))
	}
	res, err := s.kafka.ListOffsets(s.t.Context(), &kafka.ListOffsetsRequest{Topics: ends})
	return err == nil && len(res.Topics[s.topic]) == sitePartitions &&
		!slices.ContainsFunc(res.Topics[s.topic], func(p kafka.PartitionOffsets) bool { return p.Error != nil })
}

// moveLeaders makes another broker the leader of every partition, without moving any data.
func (c *cluster) moveLeaders(s *site) {
	s.t.Helper()
	before := s.partitions()
	reassigned := &kafka.AlterPartitionReassignmentsRequest{Topic: s.topic, Timeout: 10 * time.Second}
	for _, p := range before {
		var replicas []int
		for _, id := range c.ids {
			if id != p.Leader.ID {
				replicas = append(replicas, id)
			}
		}
		replicas = append(replicas, p.Leader.ID) // the first is preferred
		reassigned.Assignments = append(reassigned.Assignments, kafka.AlterPartitionReassignmentsRequestAssignment{PartitionID: p.ID, BrokerIDs: replicas})
	}
	if res, err := s.kafka.AlterPartitionReassignments(s.t.Context(), reassigned); err != nil || res.Error != nil {
		s.t.Fatal("change the preferred leaders:", err, res)
	}
	if res, err := s.kafka.ElectLeaders(s.t.Context(), &kafka.ElectLeadersRequest{Topic: s.topic, Partitions: numbers(sitePartitions), Timeout: 10 * time.Second}); err != nil || res.Error != nil {
		s.t.Fatal("elect the preferred leaders:", err, res)
	}
	s.await(20*time.Second, "every partition has another leader", func() bool {
		now := s.partitions()
		for i, p := range now {
			if p.Leader.ID == before[i].Leader.ID || p.Leader.Host == "" {
				return false
			}
		}
		return len(now) == len(before)
	})
}

// coordinator is which broker coordinates the site's group.
func (c *cluster) coordinator(s *site) int {
	s.t.Helper()
	res, err := s.kafka.FindCoordinator(s.t.Context(), &kafka.FindCoordinatorRequest{Key: s.name, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err != nil || res.Error != nil {
		s.t.Fatal("find the coordinator:", err, res)
	}
	return slices.Index(c.ids, res.Coordinator.NodeID)
}
