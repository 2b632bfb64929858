package consumer

import (
	"sync/atomic"
	"unsafe"
)

const (
	// partBytes bounds what is decoded at a time of one partition, and so what one
	// message that is slow to come to rest keeps in memory with it: eight of
	// Kafka's default batches (batch.size, 16 KiB). A record may be greater.
	partBytes = 128 << 10
	// maxRecord bounds a record that is handed out whole: half of the default
	// budget, and three times what Kinesis takes as its largest record (10 MiB).
	maxRecord = 32 << 20
	// maxHeaders bounds the headers of a message that is handed out whole: a
	// hundred times what tracing and change capture tools write together.
	maxHeaders = 10_000
	// maxKept bounds the key that is left of a message which is not.
	maxKept = 1 << 20

	// What a message and a header cost besides their bytes. A message has its slot
	// in the partition's window, too.
	messageCost = int64(unsafe.Sizeof(Message{}))
	headerCost  = int64(unsafe.Sizeof(Header{}))
	slotCost    = int64(unsafe.Sizeof(slot{}))
)

// part is a run of messages that are slices of one buffer, decoded together. Its
// memory counts until the last of them is at rest; then the buffer and the
// messages are used again, of those that a claim handed out.
type part struct {
	messages []Message
	topic    topicID // zero: it is not known
	next     int64   // offset to go on from; nothing to hand out lies between the last message and it
	account  *account
	cost     int64
	buffer   []byte       // to be used again, as its messages are; nil: somebody may keep them
	kept     atomic.Bool  // somebody may look at them, though all is at rest
	users    atomic.Int64 // messages that are not at rest, and who hands them out
}

// newPart has taken cost of the account.
func newPart(a *account, messages []Message, cost int64) *part {
	p := &part{messages: messages, account: a, cost: cost}
	p.users.Store(int64(len(messages)) + 1)
	for i := range messages {
		messages[i].part = p
	}
	a.opened()
	return p
}

// keep has the buffer and the messages not used again. A message that is given back may be on its way to
// the dead-letter topic at that moment: a request that is called off is written on.
func (p *part) keep() {
	if p != nil {
		p.kept.Store(true)
	}
}

// leave tells that n of the users need the part no more.
func (p *part) leave(n int) {
	if p == nil { // of a message that nothing was decoded for
		return
	}
	if p.users.Add(-int64(n)) == 0 {
		p.account.closed(p.cost)
		if p.buffer != nil && !p.kept.Load() {
			b := &p.account.budget.codecs.buffers
			b.give(p.buffer)
			b.giveMessages(p.messages)
		}
	}
}
