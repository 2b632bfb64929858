package schemas

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"kinesis-destination/schemas/credentials"
)

// Config says how messages are framed: the part of a destination's source that is about schemas.
type Config struct {
	Registry   *RegistryConfig `yaml:"schemaRegistry"`
	SchemaFile string          `yaml:"schemaFile"` // of raw Avro messages; beside a registry it only tells the labels

	// Kept is how many bytes of a registry's schemas are kept; 0: keptSchemas.
	Kept int `yaml:"-"`
}

// RegistryConfig is where the schema registry is, and how it is reached.
type RegistryConfig struct {
	// URL may be several, separated by commas, of registries that have the same schemas: the next one is asked when one
	// is away.
	URL      string             `yaml:"url"`
	Username credentials.Secret `yaml:"username"`
	Password credentials.Secret `yaml:"password"`
	// BearerToken is sent in place of a username and password.
	BearerToken credentials.Secret `yaml:"bearerToken"`
	TLS         RegistryTLS        `yaml:"tls"`
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
	secure := false
	for _, text := range r.urls() {
		base, err := url.Parse(text)
		said := ""
		switch {
		case r.URL == "":
			said = "required"
		case err != nil || base.Hostname() == "" || base.Scheme != "http" && base.Scheme != "https" || noPort(base):
			said = "must be an http or https URL, like http://localhost:8081; several are separated by commas"
		case base.User != nil:
			said = "must not hold credentials: set schemaRegistry.username and schemaRegistry.password"
		case base.RawQuery != "" || base.Fragment != "":
			said = "must not hold a query or fragment"
		default:
			secure = secure || base.Scheme == "https"
		}
		if said != "" {
			report("schemaRegistry.url", said)
			return
		}
	}
	if r.Password != nil && r.Username == nil {
		report("schemaRegistry.username", "required with schemaRegistry.password")
	}
	if r.BearerToken != nil && (r.Username != nil || r.Password != nil) {
		report("schemaRegistry.bearerToken", "takes the place of username and password: give only one of them")
	}
	if r.TLS.empty() {
		return
	}
	if !secure {
		report("schemaRegistry.tls", "is used with https only")
	} else if _, err := r.TLS.client(); err != nil {
		path, message, _ := strings.Cut(err.Error(), ": ")
		report(path, message)
	}
}

// urls are the addresses, without what is between them.
func (r *RegistryConfig) urls() []string {
	var all []string
	for text := range strings.SplitSeq(r.URL, ",") {
		all = append(all, strings.TrimRight(strings.TrimSpace(text), "/"))
	}
	return all
}

// Warnings are what works but is likely not meant.
func (c *Config) Warnings() []string {
	r := c.Registry
	if r == nil || r.Username == nil && r.Password == nil && r.BearerToken == nil {
		return nil
	}
	for _, text := range r.urls() {
		if base, err := url.Parse(text); err == nil && base.Scheme == "http" {
			return []string{fmt.Sprintf("source.schemaRegistry.url: credentials are sent to %s over plain http, where whoever is on the way can read them: use https", base.Host)}
		}
	}
	return nil
}

// noPort tells whether an address names a port that there is none of.
func noPort(u *url.URL) bool {
	_, err := strconv.ParseUint(cmp.Or(u.Port(), "443"), 10, 16)
	return err != nil
}
