// Package flowservice answers the calls under /data/foundation/flowservice: those by
// which a destination is connected, set up, activated, paused and watched. Paths,
// bodies, status codes and error codes are those that the platform documents.
//
// A flow is a destination's file in other words: its source connection names a source
// of the operator, its target connection holds what target, activation's switches,
// deadLetter and governance hold there, and its transformation the segments and
// attributes. [Service.Config] puts them together; the packages that judge a file's
// keys judge these by the same functions, so that both say the same words.
//
// Credentials go into a document sealed and never come out of this package but by
// [Service.Config].
package flowservice
