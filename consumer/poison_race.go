//go:build race

package consumer

// poison says that a buffer is overwritten before it is used again: where there is a
// race detector, somebody looks for mistakes.
const poison = true
