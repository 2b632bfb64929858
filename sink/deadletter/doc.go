// Package deadletter is the dead-letter topic and its letters: what stands in one,
// how it is written, and how it is read again.
//
// Promise. [Writer] writes the letters of one partition of the topic in the order in
// which they were added, and waits for all in-sync replicas. A topic that is missing
// is created, shaped like the source. A letter that is too large for the topic, or
// for whoever reads it, is sent compressed or cut: its headers say what is left out.
// Letters that wait can be given back, which is not called written.
//
// Goroutines. Whoever makes a writer runs [Writer.Run]; it ends by [Writer.Close] or
// with its context. Each round it writes up to eight partitions side by side.
//
// Failure. What cannot be written waits and is tried again, for ever; the letters of
// other partitions go on. Options.Hold hears of it. After an answer that never came a
// letter may stand twice.
//
// Trust. Anybody may write to a topic: what is read is checked before it is used, and
// a producer's headers never pass for a letter's own.
package deadletter
