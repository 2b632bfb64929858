// Package letter is a dead letter together with the Kafka message that it stands in,
// and, the other way about, a Kafka message as the origin of a letter that may come of
// it. What a letter holds, and what of it is believed, is in sink/deadletter.
package letter
