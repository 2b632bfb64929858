package consumer

import (
	"cmp"
	"encoding/binary"
	"io"
	"math"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// fetchIDVersion is the first that names topics by their ids (Kafka 3.1): a topic
// that was made anew answers that the id is unknown, where by its name it would
// answer with its own messages.
const fetchIDVersion = 13

// byID has the request name its topics by their ids, if all are known and the
// broker knows such requests.
func (c *fetchCall) byID(claims []*claim) {
	ids := make(map[string]topicID, len(c.Topics))
	for i, cl := range claims {
		if cl.id == (topicID{}) {
			return
		}
		if i == 0 || cl.topic != claims[i-1].topic || cl.id != claims[i-1].id {
			ids[cl.topic] = cl.id
		}
	}
	c.ids = ids
}

// sendByID sends the request by ids.
func (c *fetchCall) sendByID(w io.Writer) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(c.ReplicaID))
	b = binary.BigEndian.AppendUint32(b, uint32(c.MaxWaitTime))
	b = binary.BigEndian.AppendUint32(b, uint32(c.MinBytes))
	b = binary.BigEndian.AppendUint32(b, uint32(c.MaxBytes))
	b = append(b, byte(c.IsolationLevel))
	b = binary.BigEndian.AppendUint32(b, uint32(c.SessionID))
	b = binary.BigEndian.AppendUint32(b, uint32(c.SessionEpoch))
	b = binary.AppendUvarint(b, uint64(len(c.Topics))+1)
	for _, t := range c.Topics {
		id := c.ids[t.Topic]
		b = append(b, id[:]...)
		b = binary.AppendUvarint(b, uint64(len(t.Partitions))+1)
		for i := range t.Partitions {
			b = append(appendFetchPartition(b, &t.Partitions[i]), noTags)
		}
		b = append(b, noTags)
	}
	b = append(b, 1) // no topics are to be forgotten
	b = append(appendCompact(b, c.RackID), noTags)
	return flexibleRequest(w, protocol.Fetch, fetchIDVersion, b)
}

func appendFetchPartition(b []byte, p *fetch.RequestPartition) []byte {
	const notFetched = -1 // no epoch of an earlier fetch is known
	unknown := int32(notFetched)
	b = binary.BigEndian.AppendUint32(b, uint32(p.Partition))
	b = binary.BigEndian.AppendUint32(b, uint32(p.CurrentLeaderEpoch))
	b = binary.BigEndian.AppendUint64(b, uint64(p.FetchOffset))
	b = binary.BigEndian.AppendUint32(b, uint32(unknown))
	b = binary.BigEndian.AppendUint64(b, uint64(p.LogStartOffset))
	return binary.BigEndian.AppendUint32(b, uint32(p.PartitionMaxBytes))
}

// responseByID reads a response that names topics by their ids.
func (w *fetchWire) responseByID(ids map[string]topicID) *fetchResponse {
	names := make(map[topicID]string, len(ids))
	for name, id := range ids {
		names[id] = name
	}
	res := &fetchResponse{byID: true}
	w.tags()  // of the header
	w.int32() // throttle time
	res.code = w.int16()
	w.int32() // session
	for topics := w.compactLength(); topics > 0 && w.err == nil; topics-- {
		var id topicID
		w.bytes(id[:])
		n := w.compactLength()
		res.grow(n, w.call.asked())
		for ; n > 0 && w.err == nil; n-- {
			if !w.expected(res) {
				break
			}
			p := w.partitionByID()
			p.topic = names[id]
			res.partitions = append(res.partitions, p)
		}
		w.tags()
	}
	return res
}

func (w *fetchWire) partitionByID() fetchedPartition {
	p := w.partitionHead(true)
	for n := w.compactLength(); n > 0 && w.err == nil; n-- {
		w.aborted(&p)
		w.tags()
	}
	p.replica = w.int32()
	if n := w.compactLength(); n > 0 && w.err == nil {
		w.records(&p, n)
	}
	w.tags()
	return p
}

func (w *fetchWire) uvarint() int64 {
	if w.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(w.from)
	if err != nil || n > math.MaxInt32 {
		w.fail(cmp.Or(err, io.ErrUnexpectedEOF))
		return 0
	}
	return int64(n)
}

// compactLength reads the length of a compact array or of bytes; null is 0.
func (w *fetchWire) compactLength() int64 { return max(0, w.uvarint()-1) }

// tags passes tagged fields by.
func (w *fetchWire) tags() {
	for n := w.uvarint(); n > 0 && w.err == nil; n-- {
		w.uvarint()
		if _, err := io.CopyN(io.Discard, w.from, w.uvarint()); err != nil && w.err == nil {
			w.fail(err)
		}
	}
}
