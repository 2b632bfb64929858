package credentials

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// pemBlocks are the PEM blocks of a file; with none the error says what it is.
func pemBlocks(name string) ([]*pem.Block, []byte, error) {
	content, err := ReadFile(name, MaxFile)
	if err != nil {
		return nil, nil, err
	}
	var blocks []*pem.Block
	for rest := content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks = append(blocks, block)
	}
	if len(blocks) == 0 {
		return nil, nil, fmt.Errorf("%s is %s", name, kindOfFile(content))
	}
	return blocks, content, nil
}

// kindOfFile names what stands in place of PEM, and how it becomes PEM.
func kindOfFile(content []byte) string {
	// PFX ::= SEQUENCE { version INTEGER {v3(3)}, …: RFC 7292, with a length of any form.
	head := content[:min(len(content), 16)]
	switch {
	case bytes.HasPrefix(head, []byte{0x30}) && bytes.Contains(head, []byte{0x02, 0x01, 0x03, 0x30}):
		return "PKCS#12, not PEM: take certificate and key out of it with openssl pkcs12 -nodes"
	case bytes.HasPrefix(head, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return "a Java key store, not PEM: export certificate and key with keytool and openssl pkcs12 -nodes"
	case bytes.HasPrefix(head, []byte{0x30}):
		return "DER, not PEM: convert it with openssl x509 -inform DER, or openssl pkey -inform DER"
	}
	return "no PEM file: there is no -----BEGIN … in it"
}

// carries tells whether one of the blocks is of a kind, by the end of its type.
func carries(blocks []*pem.Block, kind string) bool {
	return slices.ContainsFunc(blocks, func(b *pem.Block) bool { return strings.HasSuffix(b.Type, kind) })
}

// readCertificate is the chain of a file, as PEM.
func readCertificate(name string) ([]byte, error) {
	blocks, content, err := pemBlocks(name)
	if err != nil {
		return nil, err
	}
	if !carries(blocks, "CERTIFICATE") {
		return nil, fmt.Errorf("%s holds no certificate", name)
	}
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(b.Bytes); err != nil {
			return nil, fmt.Errorf("%s holds a certificate that cannot be read: %w", name, err)
		}
	}
	return content, nil
}

// errEncryptedKey is a key that nobody gives the password of.
var errEncryptedKey = errors.New("the key is encrypted, and there is no password to give: decrypt it with openssl pkey")

// readKey is the private key of a file, as PEM.
func readKey(name string) ([]byte, error) {
	blocks, content, err := pemBlocks(name)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		switch {
		case b.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, fmt.Errorf("%s: %w", name, errEncryptedKey)
		case b.Type == "OPENSSH PRIVATE KEY":
			return nil, fmt.Errorf("%s is a key of OpenSSH's form: convert it with ssh-keygen -p -m PEM", name)
		}
	}
	if !carries(blocks, "PRIVATE KEY") {
		return nil, fmt.Errorf("%s holds no private key", name)
	}
	return content, nil
}

// pair is a certificate and its key. The error is of the file that path names.
func pair(certFile, keyFile string) (certificate tls.Certificate, path string, err error) {
	chain, err := readCertificate(certFile)
	if err != nil {
		return certificate, "certFile", err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return certificate, "keyFile", err
	}
	certificate, err = tls.X509KeyPair(chain, key)
	if err != nil && strings.Contains(err.Error(), "does not match") {
		err = fmt.Errorf("the key in %s does not belong to the certificate in certFile", keyFile)
	} else if err != nil {
		err = fmt.Errorf("the key in %s cannot be used: %w", keyFile, err)
	}
	return certificate, "keyFile", err
}
