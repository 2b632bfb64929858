package consumer

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"testing"

	"kinesis-destination/consumer/connect"
	"kinesis-destination/consumer/embeddedkafka"
)

// rotating is a TLS listener whose certificates a test changes.
type rotating struct {
	net.Listener
	t      *testing.T
	folder string
}

func listenRotating(t *testing.T, folder string) *rotating {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rotating{listener, t, folder}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			config, err := embeddedkafka.ServerTLS(r.folder, true)
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _, _ = io.Copy(conn, tls.Server(conn, config)) }() // handshake; the copy ends with the connection
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return r
}

func TestWhatIsRotatedOnDiskHoldsForTheNextConnection(t *testing.T) {
	folder := certificates(t)
	server := listenRotating(t, folder)
	c := &connect.Connector{Dial: (&net.Dialer{}).DialContext, Tls: clientTLS(folder, true)}
	open := func() net.Conn {
		t.Helper()
		plain, err := c.Dial(t.Context(), "tcp", server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = plain.Close() })
		conn, err := c.Secure(t.Context(), plain, server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	first := open().(*tls.Conn).ConnectionState().PeerCertificates[0]
	if err := embeddedkafka.WriteCertificates(folder); err != nil { // another authority, another client
		t.Fatal(err)
	}
	if second := open().(*tls.Conn).ConnectionState().PeerCertificates[0]; second.Equal(first) {
		t.Error("the server's certificate was not rotated: the story tells nothing")
	}

	password := filepath.Join(folder, "password")
	write(t, password, "old")
	config := secured(t, "", false, embeddedkafka.User{Mechanism: "PLAIN", Name: "u", Password: "new"})
	config.SASL = connect.SASL{Mechanism: connect.Plain, Username: fixed("u"), Password: inFile(password)}
	transport, err := config.Transport(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	if _, err := transport.Dial(t.Context(), "tcp", config.Brokers[0]); HoldReason(err) != ReasonAuthentication {
		t.Errorf("with the old password: %v", err)
	}
	write(t, password, "new")
	conn, err := transport.Dial(t.Context(), "tcp", config.Brokers[0])
	if err != nil {
		t.Fatal("with the new password:", err)
	}
	_ = conn.Close()
}
