package consumer

import "time"

// Timed tells whether it is known when the message was written. Producers may leave
// the time out, which Kafka keeps as -1, and some write 0; no message is from 1970.
func (m *Message) Timed() bool { return timed(m.Time) }

func timed(at time.Time) bool { return at.UnixMilli() > 0 }
