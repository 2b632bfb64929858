// Package credentials is what connections prove themselves by, and what they trust:
// secrets that change with their file, and the PEM files of TLS. Kafka, the registry
// and Kinesis take the same.
//
// It imports smallfile alone, and lies below schemas as the lowest of the stages:
// consumer and sink, which never see each other, may both look down to it.
package credentials
