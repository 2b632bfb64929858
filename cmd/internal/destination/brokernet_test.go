package destination

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// traffic counts what each address has sent.
type traffic struct {
	mu    sync.Mutex
	bytes map[string]int
}

// dial counts what comes over the connections that it opens.
func (tr *traffic) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return countedConn{conn, tr, address}, nil
}

// since is what an address has sent since it was last asked for.
func (tr *traffic) since(address string) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := tr.bytes[address]
	tr.bytes[address] = 0
	return n
}

type countedConn struct {
	net.Conn
	traffic *traffic
	address string
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.mu.Lock()
	defer c.traffic.mu.Unlock()
	c.traffic.bytes[c.address] += n
	return n, err
}

// hosts is where the names of real nodes lead: each has a listener that it
// advertises by a name which only hosts knows.
type hosts struct {
	mu sync.Mutex
	at map[string]string
}

// named is what a node's configuration says of that listener.
var named = regexp.MustCompile(`NAMED://(127\.0\.0\.1:\d+)`)

// name gives the i-th node a name, and an address that it has from its next
// start on.
func (h *hosts) name(t *testing.T, c *cluster, i int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(string(c.nodes[i]), "server.properties")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, named.ReplaceAll(text, []byte("NAMED://"+address)), 0o600); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("kafka-%d.example:9092", c.ids[i])
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at[name] = address
	return name
}

func (h *hosts) dial(ctx context.Context, network, address string) (net.Conn, error) {
	h.mu.Lock()
	if at, ok := h.at[address]; ok {
		address = at
	}
	h.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
