package config

import (
	"strings"
	"testing"
)

// The admin endpoints' own block is judged with the rest of the file.
func TestMistakesOfTheServerBlockNameTheirKeys(t *testing.T) {
	for block, want := range map[string]string{
		`{tls: {certFile: a.pem}}`:                     "server.tls.keyFile: is required with certFile",
		`{tls: {keyFile: a.pem}}`:                      "server.tls.certFile: is required with keyFile",
		`{tls: {certFile: none.pem, keyFile: no.pem}}`: "server.tls.certFile: cannot be read",
		`{listen: ":99999"}`:                           "destination.yaml:2: server.listen: must be host:port, the port from 0 to 65535, such as 127.0.0.1:8080",
		`{listen: "localhost:-1"}`:                     "server.listen: must be host:port",
		`{listen: "localhost"}`:                        "server.listen: must be host:port",
		`{token: short}`:                               "server.token: must have at least 22 characters",
		`{token: "file://none"}`:                       "server.token",
	} {
		_, err := Parse("destination.yaml", []byte("name: leads\nserver: "+block+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", block, err)
		}
	}
}

// One address has one certificate and one token, whichever file is read first.
func TestDestinationsOfOneAddressHaveOneTokenThere(t *testing.T) {
	server := func(name, token string) Config {
		c := Config{Name: name, Server: Server{Listen: ":8080", Token: Secret(token, "")}}
		c.Source.Kafka.Group = name
		return c
	}
	if err := Together([]Config{server("a", "one"), server("b", "one")}); err != nil {
		t.Error(err)
	}
	if err := Together([]Config{server("a", "one"), server("b", "two")}); err == nil || !strings.Contains(err.Error(), "server: has the address of destination a") || strings.Contains(err.Error(), "two") {
		t.Error(err)
	}
}
