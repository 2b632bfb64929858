// Package letter reads one dead letter: a message of a dead-letter topic, which
// holds what anybody wrote to it, so that everything is checked here before it is
// used. The other way about, [Origin] is a message as the sink has it, for the letter
// that may become of it.
package letter
