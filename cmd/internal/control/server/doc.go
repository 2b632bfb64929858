// Package server is the control plane as an HTTP handler: the services together, who
// may call them, and what every request is held to.
//
// On a loopback address nobody has to show a token: whoever reaches it has the machine.
// Everything else needs TLS and a bearer token, of which only a hash is kept. Requests
// under a name that is not the server's are refused, as are those that a page of
// another site makes; so a browser on the machine is no way in.
package server
