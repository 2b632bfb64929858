// Package operation looks after flows that exist: what waits for them in Kafka, and
// their dead letters, which it lists, redrives and drops as the commands do. It goes by
// the configuration that a flow runs by, credentials included, and shows none of it.
//
// Nothing is kept between two calls; each runs in its caller's goroutine and ends with
// its context.
package operation
