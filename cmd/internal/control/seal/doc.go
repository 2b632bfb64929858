// Package seal keeps secrets of documents unreadable without a key of the ring:
// AES-256-GCM with a random nonce, bound to the document and the field that they
// stand in, so that a sealed value that is copied elsewhere opens nowhere.
//
// The first key of a ring seals, all of them open: a key is replaced by putting
// another one before it, resealing, and taking it away. What was sealed with it
// stays in the journal until that is truncated, so a key that is lost to others
// means new secrets, not only a new key.
//
// No error, log line or text of a value shows a key or what was sealed. There are no
// goroutines; a ring never changes.
package seal
