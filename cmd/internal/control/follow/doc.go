// Package follow keeps a process's flows as the documents of the control plane want
// them. It looks at the documents whenever there is more to know, makes a configuration
// of each flow that is enabled, and tells the fleet of destinations what there is to be.
//
// One goroutine does so. A flow whose documents cannot run is refused by itself; the
// others go on. While the documents cannot be read, or were made anew by somebody else,
// nothing is told: the flows go on with what is known.
package follow
