package schemas

import (
	"net/url"
	"os"
)

// Config says how messages are framed: the part of a destination's source that is about schemas.
type Config struct {
	Registry   *RegistryConfig `yaml:"schemaRegistry"`
	SchemaFile string          `yaml:"schemaFile"` // of raw Avro messages; beside a registry it only tells the labels
}

// RegistryConfig is where the schema registry is.
type RegistryConfig struct {
	URL      string `yaml:"url"`
	Username string `yaml:"username"`
	Password string `yaml:"password"`
}

// Validate reports every mistake, with the path of its key below source.
func (c *Config) Validate(report func(path, message string)) {
	if c.Registry == nil && c.SchemaFile == "" {
		report("schemaRegistry", "needed, unless schemaFile is set and messages are raw Avro")
	}
	if c.SchemaFile != "" {
		if _, err := os.Stat(c.SchemaFile); err != nil {
			report("schemaFile", err.Error())
		} else if _, err := ReadFile(c.SchemaFile); err != nil {
			report("schemaFile", err.Error())
		}
	}
	if r := c.Registry; r != nil {
		r.validate(report)
	}
}

func (r *RegistryConfig) validate(report func(path, message string)) {
	base, err := url.Parse(r.URL)
	switch {
	case r.URL == "":
		report("schemaRegistry.url", "required")
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		report("schemaRegistry.url", "must be an http or https URL, like http://localhost:8081")
	case base.User != nil:
		report("schemaRegistry.url", "must not hold credentials: set schemaRegistry.username and schemaRegistry.password")
	case base.RawQuery != "" || base.Fragment != "":
		report("schemaRegistry.url", "must not hold a query or fragment")
	}
	if r.Password != "" && r.Username == "" {
		report("schemaRegistry.username", "required with schemaRegistry.password")
	}
}
