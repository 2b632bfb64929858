package embeddedkafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The files that WriteCertificates writes.
const (
	CAFile         = "ca.pem"
	ServerFile     = "server.pem" // certificate and key, as Kafka reads them
	ClientCertFile = "client.pem"
	ClientKeyFile  = "client.key"
)

// ClientName is the subject of the client's certificate.
const ClientName = "CN=client"

// WriteCertificates makes an authority up, and a server on loopback and a client
// that it vouches for; each call makes another.
func WriteCertificates(folder string) error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	authority := template(1, "authority")
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	server := template(2, "server")
	server.IPAddresses, server.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	client := template(3, "client")
	files := map[string][]byte{}
	if files[CAFile], err = sign(authority, authority, authorityKey, authorityKey); err != nil {
		return err
	}
	for _, party := range []struct {
		template          *x509.Certificate
		certFile, keyFile string
	}{{server, ServerFile, ServerFile}, {client, ClientCertFile, ClientKeyFile}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		cert, err := sign(party.template, authority, key, authorityKey)
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return fmt.Errorf("write a key: %w", err)
		}
		files[party.certFile] = append(files[party.certFile], cert...)
		files[party.keyFile] = append(files[party.keyFile], pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}

func template(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func sign(certificate, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// ServerTLS is what a server with these certificates speaks; mutual: it asks
// clients for theirs.
func ServerTLS(folder string, mutual bool) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, ServerFile), filepath.Join(folder, ServerFile))
	if err != nil {
		return nil, fmt.Errorf("load the server's certificate: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if mutual {
		ca, err := os.ReadFile(filepath.Join(folder, CAFile))
		if err != nil {
			return nil, fmt.Errorf("load the authority: %w", err)
		}
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(ca)
	}
	return config, nil
}
