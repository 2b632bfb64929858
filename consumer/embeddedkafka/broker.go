// Package embeddedkafka is a Kafka cluster inside the process, for the demo and
// for tests. It speaks the Kafka protocol on any listener, in-memory ones
// included, and keeps records in memory.
package embeddedkafka

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Options of a cluster.
type Options struct {
	// Listen opens the brokers' listeners; nil: TCP.
	Listen func(network, address string) (net.Listener, error)
	// Ports the brokers listen on at 127.0.0.1, one broker each; none: one broker on a free port.
	Ports []int
	// Topics to begin with, and their partition counts.
	Topics map[string]int
	// TLS, where set, is what the listeners speak.
	TLS *tls.Config
	// Users are those who may connect, by SASL; none: everyone, without it.
	Users []User
	// RetentionBytes is what a partition keeps of its records when ApplyRetention is called; 0: all.
	RetentionBytes int64
	// Versions are those of the program that the brokers pass for; nil: the newest.
	Versions *kversion.Versions
}

// User may connect. One without rights may do everything; others only what they name.
type User struct {
	Mechanism, Name, Password string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Rights                    []kfake.ACL
}

// Cluster is a running cluster. It embeds the fake's own controls: faults,
// leader moves, topic changes, group state.
type Cluster struct{ *kfake.Cluster }

// Start starts a cluster; Close ends it.
func Start(o Options) (*Cluster, error) {
	listen := o.Listen
	if listen == nil {
		listen = net.Listen
	}
	opts := []kfake.Opt{kfake.NumBrokers(max(1, len(o.Ports))), kfake.ListenFn(sever(listen))}
	if len(o.Ports) > 0 {
		opts = append(opts, kfake.Ports(o.Ports...))
	}
	for topic, partitions := range o.Topics {
		opts = append(opts, kfake.SeedTopics(int32(partitions), topic))
	}
	if o.TLS != nil {
		opts = append(opts, kfake.TLS(o.TLS))
	}
	if o.Versions != nil {
		opts = append(opts, kfake.MaxVersions(o.Versions))
	}
	if o.RetentionBytes > 0 {
		opts = append(opts, kfake.BrokerConfigs(map[string]string{"log.retention.bytes": strconv.FormatInt(o.RetentionBytes, 10)}))
	}
	opts = append(opts, users(o.Users)...)
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("start the embedded Kafka: %w", err)
	}
	return &Cluster{c}, nil
}

func users(all []User) []kfake.Opt {
	if len(all) == 0 {
		return nil
	}
	opts := []kfake.Opt{kfake.EnableSASL(), kfake.EnableACLs()}
	for _, u := range all {
		if u.Rights == nil {
			opts = append(opts, kfake.Superuser(u.Mechanism, u.Name, u.Password))
		} else {
			opts = append(opts, kfake.User(u.Mechanism, u.Name, u.Password, u.Rights...))
		}
	}
	return opts
}
