// Package resend is the one engine that reads a range of the source topics and
// sends it once more beside live traffic, for replay, backfill and redrive.
//
// It goes in [Rounds]: put, wait idle, catch up with what live traffic delivered
// meanwhile ([Tail]), checkpoint. Between two rounds nothing is in flight. A [Job]
// sends partition ranges; what leaves is its Chooser's to say.
package resend
