package consumer

import (
	"encoding/binary"
	"io"

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
	for _, cl := range claims {
		if cl.id == (topicID{}) {
			return
		}
		ids[cl.topic] = cl.id
	}
	c.ids = ids
}

// exchangeByID sends the request by ids and reads the response.
func (c *fetchCall) exchangeByID(rw io.ReadWriter) (*wire, error) {
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
	if err := flexibleRequest(rw, protocol.Fetch, fetchIDVersion, b); err != nil {
		return nil, err
	}
	return readAnswer(rw, maxFetchAnswer, true)
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
func (w *wire) responseByID(ids map[string]topicID) (*fetchResponse, error) {
	names := make(map[topicID]string, len(ids))
	for name, id := range ids {
		names[id] = name
	}
	res := &fetchResponse{byID: true}
	w.int32() // throttle time
	res.code = w.int16()
	w.int32() // session
	for range w.compactLength() {
		var id topicID
		copy(id[:], w.bytes(len(id)))
		for range w.compactLength() {
			p := w.partitionByID()
			p.topic = names[id]
			if w.short {
				return nil, io.ErrUnexpectedEOF
			}
			res.partitions = append(res.partitions, p)
		}
		w.tags()
		if w.short {
			return nil, io.ErrUnexpectedEOF
		}
	}
	if w.short {
		return nil, io.ErrUnexpectedEOF
	}
	return res, nil
}

func (w *wire) partitionByID() fetchedPartition {
	p := fetchedPartition{replica: -1}
	p.partition = int(w.int32())
	p.code = w.int16()
	p.highWatermark = w.int64()
	p.lastStable = w.int64()
	w.int64() // log start
	for range w.compactLength() {
		p.aborted = append(p.aborted, abortedTransaction{w.int64(), w.int64()})
		w.tags()
		if w.short {
			return p
		}
	}
	p.replica = w.int32()
	if n := w.compactLength(); n > 0 {
		p.records = w.bytes(n)
	}
	w.tags()
	return p
}
