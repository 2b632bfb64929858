// Package jobs runs in the background what somebody asks to have done for a flow, and
// tells how far it is: replays and backfills of events, redrives and drops of dead
// letters. A flow has one job at a time.
//
// Jobs are kept in the memory of the process that was asked, which runs them. A process
// that ends, ends them; what is done stays done, and the same request goes on from there.
package jobs
