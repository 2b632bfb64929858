// Package documents is what the control plane keeps, as the services see it: documents
// with versions, of which several change all or nothing.
//
// A change names the version that each document had, and the versions of what was
// read to decide about it. It is applied if all of them are current, else refused with
// a [*Conflict]; so a policy that is enabled beside a segment that is activated sees
// the other one or is refused.
package documents
