package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS is the block source.kafka.tls. Files are PEM.
type TLS struct {
	Enabled  bool   `yaml:"enabled"`
	CAFile   string `yaml:"caFile"`
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

// Client is what a client's connections are made by, from the files as they are
// now; block is the key path that errors begin with. It is nil without TLS.
func (t *TLS) Client(block string) (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if config.RootCAs, err = t.roots(); err != nil {
		return nil, fmt.Errorf("%s.caFile: %w", block, err)
	}
	var path string
	if config.Certificates, path, err = t.certificates(); err != nil {
		return nil, fmt.Errorf("%s.%s: %w", block, path, err)
	}
	return config, nil
}

// roots are the authorities to trust; nil: the system's.
func (t *TLS) roots() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	blocks, content, err := pemBlocks(t.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !carries(blocks, "CERTIFICATE") || !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate that can be read", t.CAFile)
	}
	return roots, nil
}

// certificates are the client's own; path is the key that an error is about.
func (t *TLS) certificates() (own []tls.Certificate, path string, err error) {
	switch {
	case t.CertFile == "" && t.KeyFile == "":
		return nil, "", nil
	case t.CertFile == "" || t.KeyFile == "":
		return nil, "certFile", errors.New("certFile and keyFile go together")
	}
	certificate, path, err := pair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, path, err
	}
	return []tls.Certificate{certificate}, "", nil
}

// Validate reports every mistake with its path below the block.
func (t *TLS) Validate(report func(path, message string)) {
	if !t.Enabled {
		for _, file := range []string{t.CAFile, t.CertFile, t.KeyFile} {
			if file != "" {
				report("enabled", "must be true for caFile, certFile and keyFile to be used")
				return
			}
		}
		return
	}
	readable := true
	for _, f := range []struct{ path, name string }{{"caFile", t.CAFile}, {"certFile", t.CertFile}, {"keyFile", t.KeyFile}} {
		if f.name == "" {
			continue
		}
		if _, err := os.Stat(f.name); err != nil {
			report(f.path, "cannot be read: "+err.Error())
			readable = false
		}
	}
	if !readable {
		return
	}
	if _, err := t.roots(); err != nil {
		report("caFile", err.Error())
	}
	if _, path, err := t.certificates(); err != nil {
		report(path, err.Error())
	}
}
