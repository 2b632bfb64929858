package lag

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas/credentials"
)

// statusTimeout keeps a process that does not answer from delaying what Kafka says.
const statusTimeout = 2 * time.Second

// maxStatus is what /status has with 10,000 partitions, many times over.
const maxStatus = 64 << 20

// maxAsked bounds how many members of a group are asked: a group has as many as its
// topics have partitions, at most.
const maxAsked = 64

// group is what is known of the processes of a destination.
type group struct {
	known   bool
	owners  map[consumer.Range]string // the address that a partition's owner joined from
	unasked map[string]string         // by such an address: why what is held there is not known
	answers []*destination.Status
}

// tokenWithheld is why a member that wants the token is not asked with it.
const tokenWithheld = "not asked, as server.token goes to no other machine over plain HTTP: set server.tls, or run lag there"

// ask asks the process on server.listen, and members of the group that have other
// partitions, at the same port of the address that they joined from. Whatever goes
// wrong means that it is not known.
func ask(ctx context.Context, c *config.Config, members []consumer.Member) group {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	g := group{owners: map[consumer.Range]string{}, unasked: map[string]string{}}
	own, _ := status(ctx, c, reachable(c.Server.Listen))
	if own != nil {
		g.answers = append(g.answers, own)
	}
	host, port, err := net.SplitHostPort(c.Server.Listen)
	ip := net.ParseIP(host)
	local := err != nil || host == "localhost" || ip != nil && ip.IsLoopback() // others listen for themselves alone
	var asking sync.WaitGroup
	var mu sync.Mutex
	asked := map[string]bool{}
	for _, m := range members {
		for _, owned := range m.Owns {
			g.owners[owned] = m.Host
			if local || asked[m.Host] || len(asked) == maxAsked || heldBy(own, owned.Topic, owned.Partition) != nil {
				continue
			}
			asked[m.Host] = true
			asking.Go(func() {
				s, withheld := status(ctx, c, net.JoinHostPort(m.Host, port))
				mu.Lock()
				defer mu.Unlock()
				if s != nil {
					g.answers = append(g.answers, s)
				}
				if withheld {
					g.unasked[m.Host] = tokenWithheld
				}
			})
		}
	}
	asking.Wait()
	return g
}

// tell says of a partition whether it is held, or who would know.
func (g *group) tell(r *Row) {
	r.groupKnown, r.Member = g.known, g.owners[consumer.Range{Topic: r.Topic, Partition: r.Partition}]
	for _, s := range g.answers {
		if r.Held = heldBy(s, r.Topic, r.Partition); r.Held != nil {
			return
		}
	}
	r.Unasked = g.unasked[r.Member]
}

// status asks a process; nil: none answers that runs the destination. withheld: it
// wants a token, which may not be sent there.
func status(ctx context.Context, c *config.Config, address string) (s *destination.Status, withheld bool) {
	client, scheme, err := adminClient(c)
	if err != nil {
		return nil, false
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+address+"/status", http.NoBody)
	if err != nil {
		return nil, false
	}
	shown := c.Server.Token != nil && mayHaveToken(c, address)
	if shown {
		token, err := c.Server.Token()
		if err != nil {
			return nil, false
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, false
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusUnauthorized {
		return nil, c.Server.Token != nil && !shown
	}
	var overview destination.Overview
	if err := json.NewDecoder(io.LimitReader(response.Body, maxStatus)).Decode(&overview); err != nil {
		return nil, false
	}
	for i := range overview.Destinations {
		if s := &overview.Destinations[i]; s.Name == c.Name && s.Group == c.Source.Kafka.Group {
			return s, false
		}
	}
	return nil, false
}

// mayHaveToken tells whether the token may be sent to an address. Whoever may join the
// group is one of its members at an address of theirs: over TLS only who has the key
// of the configuration is spoken to; without it only this machine and the host that
// the configuration itself names.
func mayHaveToken(c *config.Config, address string) bool {
	host, _, err := net.SplitHostPort(address)
	named, _, bad := net.SplitHostPort(c.Server.Listen)
	ip := net.ParseIP(host)
	return err == nil && (c.Server.TLS != (config.ServerTLS{}) || host == "localhost" || ip != nil && ip.IsLoopback() || bad == nil && host == named)
}

// adminClient asks processes of the same configuration: over TLS it believes the
// certificate that the configuration names, and no other, whatever name that has.
func adminClient(c *config.Config) (client *http.Client, scheme string, err error) {
	own := http.DefaultTransport.(*http.Transport).Clone()
	follow := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // /status leads nowhere else
	if c.Server.TLS == (config.ServerTLS{}) {
		return &http.Client{Transport: own, CheckRedirect: follow}, "http://", nil
	}
	certificates, _, err := credentials.Files{CertFile: c.Server.TLS.CertFile, KeyFile: c.Server.TLS.KeyFile}.Certificates()
	if err != nil {
		return nil, "", err
	}
	own.TLSClientConfig = &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, // in place of it the certificate itself is compared
		VerifyConnection: func(s tls.ConnectionState) error {
			if !bytes.Equal(s.PeerCertificates[0].Raw, certificates[0].Certificate[0]) {
				return errors.New("another certificate than server.tls.certFile")
			}
			return nil
		},
	}
	return &http.Client{Transport: own, CheckRedirect: follow}, "https://", nil
}

// reachable is an address to dial for one that is listened on.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// heldBy is why a process holds a partition, empty where it does not; nil: it does not have it.
func heldBy(s *destination.Status, topic string, partition int) *string {
	if s == nil {
		return nil
	}
	for _, p := range s.Partitions {
		if p.Topic == topic && p.Partition == partition {
			return &p.Held
		}
	}
	return nil
}
