// Package replay sends a range of the source topics once more on demand ([Run]), and
// the present members of segments that were added, by itself ([Backfill]). Both are
// jobs of package resend.
package replay
