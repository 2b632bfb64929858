package credentials

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"kinesis-destination/schemas/smallfile"
)

// Secret gives a value as it is now: one that stands in a file changes with it.
// A nil one was not given.
type Secret = func() (string, error)

// MaxFile is four times the certificates of all authorities that systems trust, which
// is the largest file of credentials that is named in a configuration.
const MaxFile = 1 << 20

// ReadFile reads a file that the configuration names, and neither without end nor for
// ever: it may be a device, a pipe, or a mistake. A byte order mark, which some editors
// write, is no part of it.
func ReadFile(name string, limit int) ([]byte, error) {
	content, err := smallfile.Read(name, limit)
	var large *smallfile.TooLargeError
	switch {
	case errors.As(err, &large):
		return nil, fmt.Errorf("%s %w: is it the file that was meant?", name, err)
	case errors.Is(err, smallfile.ErrSilentPipe):
		return nil, fmt.Errorf("%s %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return bytes.TrimPrefix(content, []byte("\ufeff")), nil
}

// Files are those of a tls block, PEM each; those that are not named are empty.
type Files struct{ CAFile, CertFile, KeyFile string }

// Client is what a client's connections are made by, from the files as they are now.
// block is the key path that errors begin with.
func (f Files) Client(block string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if config.RootCAs, err = f.Roots(); err != nil {
		return nil, fmt.Errorf("%s.caFile: %w", block, err)
	}
	var path string
	if config.Certificates, path, err = f.Certificates(); err != nil {
		return nil, fmt.Errorf("%s.%s: %w", block, path, err)
	}
	return config, nil
}

// Roots are the authorities to trust; nil: the system's.
func (f Files) Roots() (*x509.CertPool, error) {
	if f.CAFile == "" {
		return nil, nil
	}
	blocks, content, err := pemBlocks(f.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !carries(blocks, "CERTIFICATE") || !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate that can be read", f.CAFile)
	}
	return roots, nil
}

// Certificates are the client's own; path is the key that an error is about.
func (f Files) Certificates() (own []tls.Certificate, path string, err error) {
	switch {
	case f.CertFile == "" && f.KeyFile == "":
		return nil, "", nil
	case f.CertFile == "" || f.KeyFile == "":
		return nil, "certFile", errors.New("certFile and keyFile go together")
	}
	certificate, path, err := pair(f.CertFile, f.KeyFile)
	if err != nil {
		return nil, path, err
	}
	return []tls.Certificate{certificate}, "", nil
}
