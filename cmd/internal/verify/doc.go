// Package verify reads a stream back and compares it with what a range of the topic
// makes ([Run]), and looks at what a configuration names: brokers, topics, registry,
// stream and credentials ([Live]).
package verify
