package connect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas/credentials"
)

// TestAKeyFileThatCannotBeUsedIsToldByItsKind takes what key tools write.
func TestAKeyFileThatCannotBeUsedIsToldByItsKind(t *testing.T) {
	folder := t.TempDir()
	if err := embeddedkafka.WriteCertificates(folder); err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		t.Helper()
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	read := func(name string) []byte {
		t.Helper()
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, headers map[string]string, bytes []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: bytes})
	}
	ca, cert, key := filepath.Join(folder, embeddedkafka.CAFile), filepath.Join(folder, embeddedkafka.ClientCertFile), filepath.Join(folder, embeddedkafka.ClientKeyFile)
	pkcs12 := write("client.p12", append([]byte{0x30, 0x82, 0x03, 0xa1, 0x02, 0x01, 0x03, 0x30}, make([]byte, 900)...))
	large := write("large.pem", make([]byte, credentials.MaxFile+1))
	for _, c := range []struct{ ca, cert, key, path, want string }{
		{ca, cert, write("bom.pem", append([]byte("\ufeff"), read(embeddedkafka.ClientKeyFile)...)), "", ""},
		{ca, cert, write("pkcs8.pem", block("ENCRYPTED PRIVATE KEY", nil, der)), "keyFile", "the key is encrypted"},
		{ca, cert, write("openssl.pem", block("EC PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, der)), "keyFile", "the key is encrypted"},
		{ca, cert, write("other.pem", block("PRIVATE KEY", nil, der)), "keyFile", "does not belong to the certificate"},
		{ca, cert, write("openssh", block("OPENSSH PRIVATE KEY", nil, der)), "keyFile", "OpenSSH"},
		{ca, cert, write("cut.pem", block("PRIVATE KEY", nil, der[:20])), "keyFile", "cannot be used"},
		{ca, cert, write("key.der", der), "keyFile", "is DER, not PEM"},
		{ca, cert, cert, "keyFile", "holds no private key"},
		{ca, cert, pkcs12, "keyFile", "PKCS#12"},
		{ca, pkcs12, pkcs12, "certFile", "PKCS#12"},
		{ca, key, key, "certFile", "holds no certificate"},
		{ca, write("cut.crt", block("CERTIFICATE", nil, der)), key, "certFile", "cannot be read"},
		{pkcs12, "", "", "caFile", "PKCS#12"},
		{key, "", "", "caFile", "holds no certificate"},
		{write("trust.jks", []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2}), "", "", "caFile", "Java key store"},
		{large, "", "", "caFile", "is larger than 1048576 bytes"},
		{"/dev/zero", "", "", "caFile", "is larger than 1048576 bytes"},
	} {
		config := TLS{Enabled: true, CAFile: c.ca, CertFile: c.cert, KeyFile: c.key}
		var found []string
		config.Validate(func(path, message string) { found = append(found, path+": "+message) })
		_, err := config.Client("source.kafka.tls")
		if c.path == "" {
			if len(found) > 0 || err != nil {
				t.Errorf("%+v: %q, %v", c, found, err)
			}
			continue
		}
		if len(found) != 1 || !strings.HasPrefix(found[0], c.path+": ") || !strings.Contains(found[0], c.want) {
			t.Errorf("%s at %s: %q", c.want, c.path, found)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "source.kafka.tls."+c.path+": ") {
			t.Errorf("%s at %s when connecting: %v", c.want, c.path, err)
		}
	}
}
