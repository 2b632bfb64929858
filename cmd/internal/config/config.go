package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"

	"kinesis-destination/consumer"
	"kinesis-destination/consumer/connect"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// Config is one destination: which events become which records of which Kinesis
// stream. Each block belongs to the package that works by it.
type Config struct {
	Name        string               `yaml:"name"`
	Description string               `yaml:"description"`
	Source      Source               `yaml:"source"`
	Target      Target               `yaml:"target"`
	DeadLetter  deadletter.Config    `yaml:"deadLetter"`
	Activation  transform.Activation `yaml:"activation"`
	Governance  transform.Governance `yaml:"governance"`
	Server      Server               `yaml:"server"`

	// NewestKept is of how many identities a replay or a backfill knows the newest
	// event at once; 0: as many as it likes.
	NewestKept int `yaml:"-"`
	// FirstSegmentsNew: the segments that are activated when the destination is seen for
	// the first time count as added, so that their present members are exported, too.
	FirstSegmentsNew bool `yaml:"-"`

	origin origin
}

// Source is where events come from.
type Source struct {
	Kafka          consumer.Config `yaml:"kafka"`
	schemas.Config `yaml:",inline"`
}

// Target is where records go.
type Target struct {
	Kinesis Kinesis `yaml:"kinesis"`
}

// Kinesis is the stream, and what of a record depends on it.
type Kinesis struct {
	sink.Config  `yaml:",inline"`
	PartitionKey string `yaml:"partitionKey"`
	Metadata     bool   `yaml:"metadata"`
}

// Server is where the process can be watched.
type Server struct {
	Listen string    `yaml:"listen"`
	TLS    ServerTLS `yaml:"tls"`
	// Token is the bearer token for /status and /metrics, or sha256: and its hash in
	// hexadecimal; nil: they are open. Probes never show one.
	Token func() (string, error) `yaml:"token"`
}

// ServerTLS are the files of a server's certificate, as PEM; empty: it speaks plain HTTP.
type ServerTLS struct {
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

// LeastToken is how many characters a token has at least: 128 bits, as base64.
const LeastToken = 22

// DestinationName fits Kafka group and topic names, which are made from it.
var DestinationName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,200}$`)

// DefaultListen is where the admin endpoints are when server.listen is left out.
const DefaultListen = "127.0.0.1:8080"

func (c *Config) defaults() {
	k := &c.Source.Kafka
	k.Defaults()
	if k.Group == "" {
		k.Group = c.Name
	}
	if c.DeadLetter.Topic == "" && DestinationName.MatchString(c.Name) {
		// Of several topics the first one names it; a pattern names none.
		if names := k.TopicNames(); len(names) > 0 {
			c.DeadLetter.Topic = names[0] + "." + c.Name + ".dlt"
		} else if k.TopicPattern != "" {
			c.DeadLetter.Topic = c.Name + ".dlt"
		}
	}
	k.DeadLetterTopic = c.DeadLetter.Topic
	if c.Server.Listen == "" {
		c.Server.Listen = DefaultListen
	}
}

// registryTLS is a block of the same files as source.kafka.tls, and judged alike.
const registryTLS = "schemaRegistry.tls."

// validate reports every mistake with its key path.
func (c *Config) validate(report func(path, message string)) {
	if c.Name == "" {
		report("name", "is required")
	} else if !DestinationName.MatchString(c.Name) {
		report("name", "must be 1 to 200 letters, digits, '.', '_' or '-': the group and the dead-letter topic are named after it")
	}
	badTopic := false
	c.Source.Kafka.Validate(func(path, message string) {
		badTopic = badTopic || strings.HasPrefix(path, "topic")
		if path != "group" || c.Name != "" { // the group's default is the name
			report("source.kafka."+path, message)
		}
	})
	c.Source.Validate(func(path, message string) {
		if !strings.HasPrefix(path, registryTLS) {
			report("source."+path, message)
		}
	})
	if r := c.Source.Registry; r != nil && r.TLS != (schemas.RegistryTLS{}) {
		files := connect.TLS{Enabled: true, CAFile: r.TLS.CAFile, CertFile: r.TLS.CertFile, KeyFile: r.TLS.KeyFile}
		files.Validate(func(path, message string) { report("source."+registryTLS+path, message) })
	}
	c.Target.Kinesis.Validate(report)
	c.DeadLetter.Validate(func(path, message string) {
		derived := strings.HasSuffix(c.DeadLetter.Topic, "."+c.Name+".dlt")
		if path != "deadLetter.topic" || !badTopic || !derived { // it is named after the topic
			report(path, message)
		}
	})
	for _, topic := range c.Source.Kafka.TopicNames() {
		if topic == c.DeadLetter.Topic {
			report("deadLetter.topic", "is a source topic: dead letters would be read as events")
		}
	}
	rules := c.Rules()
	rules.Validate(report)
	c.Server.validate(func(path, message string) { report("server."+path, message) })
}

func (s *Server) validate(report func(path, message string)) {
	if !CanListen(s.Listen) {
		report("listen", MustListen+DefaultListen)
	}
	switch t := s.TLS; {
	case t == ServerTLS{}:
	case t.CertFile == "":
		report("tls.certFile", "is required with keyFile")
	case t.KeyFile == "":
		report("tls.keyFile", "is required with certFile")
	default:
		files := connect.TLS{Enabled: true, CertFile: t.CertFile, KeyFile: t.KeyFile}
		files.Validate(func(path, message string) { report("tls."+path, message) })
	}
	if s.Token == nil {
		return
	}
	if token, err := s.Token(); err != nil {
		report("token", "cannot be read: "+err.Error())
	} else if len(token) < LeastToken {
		report("token", fmt.Sprintf("must have at least %d characters: openssl rand -base64 32 makes one", LeastToken))
	}
}

// MustListen is what is wrong with an address that nothing can listen on; an example follows.
const MustListen = "must be host:port, the port from 0 to 65535, such as "

// CanListen tells whether an address has the form of one that can be listened on: a port
// may be a name, and none is any.
func CanListen(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	return err == nil
}

// Check is validate for a server that a command line describes; the errors begin with what.
func (s *Server) Check(what string) error {
	var problems []error
	s.validate(func(path, message string) { problems = append(problems, errors.New(what+path+" "+message)) })
	return errors.Join(problems...)
}

// warnings are what is allowed of it but may surprise.
func (s *Server) warnings() []string {
	host, _, _ := net.SplitHostPort(s.Listen)
	if ip := net.ParseIP(host); s.Token == nil || s.TLS != (ServerTLS{}) || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return []string{"server.token is shown over plain HTTP: set server.tls, or keep the network to those who may see it"}
}

// Rules is what decides about content.
func (c *Config) Rules() transform.Config {
	return transform.Config{
		Activation: c.Activation, Governance: c.Governance,
		PartitionKey: c.Target.Kinesis.PartitionKey, Metadata: c.Target.Kinesis.Metadata,
	}
}

// Warnings are what is allowed but may surprise.
func (c *Config) Warnings() []string {
	return slices.Concat(c.RuleWarnings(), c.Source.Kafka.Warnings(), c.Source.Warnings(), c.Target.Kinesis.Warnings(), c.Server.warnings())
}

// RuleWarnings are those of Warnings that a reload can bring.
func (c *Config) RuleWarnings() []string {
	rules, err := transform.NewRules(c.Rules())
	if err != nil {
		return nil
	}
	return rules.Warnings()
}

// Warn logs what is allowed but may surprise.
func Warn(log *slog.Logger, warnings []string) {
	for _, warning := range warnings {
		log.Warn("the configuration is allowed, but may surprise", "warning", warning)
	}
}

// File is where the configuration was read.
func (c *Config) File() string { return c.origin.file }

// Problem is a mistake that only shows when the file is read already.
func (c *Config) Problem(path, message string) Problem {
	return Problem{File: c.origin.file, Line: c.origin.line(path), Path: path, Message: message}
}

// Problem is one mistake in a configuration file.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"` // 0: not in the file
	Path    string `json:"path,omitempty"` // of the key; empty: the file as a whole
	Message string `json:"message"`
}

// Error names the file, the line and the key, and says what to do.
func (p Problem) Error() string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, p.Line)
	}
	if p.Path == "" {
		return at + ": " + p.Message
	}
	return at + ": " + p.Path + ": " + p.Message
}

// Problems are all the mistakes of one or more configuration files.
type Problems []Problem

// Error lists the problems, a line each.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}
