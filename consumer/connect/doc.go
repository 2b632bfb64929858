// Package connect opens connections to brokers as far as they take requests: TCP,
// TLS, SASL and the broker's first answer. Certificates, keys and secrets are read
// anew for each connection, so that what is rotated on disk holds for the next one;
// sessions are renewed before the broker ends them (KIP-368).
package connect
