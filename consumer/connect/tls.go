package connect

import (
	"crypto/tls"
	"os"

	"kinesis-destination/schemas/credentials"
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
	return t.files().Client(block)
}

func (t *TLS) files() credentials.Files {
	return credentials.Files{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile}
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
	if _, err := t.files().Roots(); err != nil {
		report("caFile", err.Error())
	}
	if _, path, err := t.files().Certificates(); err != nil {
		report(path, err.Error())
	}
}
