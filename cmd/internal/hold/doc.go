// Package hold knows why things wait. A hold is never a record's fault: it lasts
// until its cause is gone, and nothing is lost meanwhile. [Holds] are those of a
// running destination or of a job; the functions pace what is tried again. It imports nothing
// of ours but the consumer's words.
package hold
