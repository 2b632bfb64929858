package consumer

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"kinesis-destination/consumer/connect"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// A topic that is deleted and made anew has its name alone in common with the one
// before: what was read, settled and committed of that one says nothing of it, and
// its offsets begin again. Kafka tells the two apart by an id (KIP-516, Kafka 2.8
// and newer). It stands beside each offset that is committed, and is what messages
// are fetched by, where the broker knows that.

// topicID names a topic for as long as it lives; zero: the broker does not say.
type topicID [16]byte

// ErrRemade says that a topic is another than the one that offsets are of.
var ErrRemade = errors.New("the topic was deleted and made anew since")

// Error codes that kafka-go has no names for.
const (
	unknownTopicID      = kafka.Error(100)
	inconsistentTopicID = kafka.Error(103)
)

// stampPrefix names the format of what stands before a commit's metadata: the id
// as unpadded base64, and a space. With it, maxMetadata stays in the broker's limit.
const stampPrefix = "topic1:"

var idText = base64.RawURLEncoding

// stamp puts the topic's id before what is kept beside an offset.
func stamp(id topicID, metadata string) string {
	if id == (topicID{}) {
		return metadata
	}
	return stampPrefix + idText.EncodeToString(id[:]) + " " + metadata
}

// unstamp takes it away again; what has none is of any topic, as those are that
// other tools and earlier versions committed.
func unstamp(text string) (id topicID, metadata string) {
	stamped, metadata, ok := strings.Cut(text, " ")
	encoded, ours := strings.CutPrefix(stamped, stampPrefix)
	b, err := idText.DecodeString(encoded)
	if !ok || !ours || err != nil || len(b) != len(id) {
		return topicID{}, text
	}
	return topicID(b), metadata
}

// other tells of two ids that are known and are not the same.
func (id topicID) other(than topicID) bool {
	return id != than && id != topicID{} && than != topicID{}
}

// metadataCall asks any broker for the ids of topics. kafka-go answers questions
// about topics from what it has cached, and speaks no version that has ids.
type metadataCall struct{ topics []string }

// metadataAnswer is what a broker said of topics: their ids and error codes. A
// broker that knows no ids says nothing.
type metadataAnswer struct {
	known bool
	ids   map[string]topicID
	codes map[string]kafka.Error
}

// ApiKey implements protocol.Message.
func (*metadataCall) ApiKey() protocol.ApiKey { return protocol.Metadata }

// ApiKey implements protocol.Message.
func (*metadataAnswer) ApiKey() protocol.ApiKey { return protocol.Metadata }

// metadataIDVersion is the first with ids; the next one changes what is asked.
const metadataIDVersion = 10

// Required tells kafka-go to leave the exchange to RawExchange.
func (*metadataCall) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange sends the request and reads the response.
func (c *metadataCall) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if connect.BrokerVersion(rw, protocol.Metadata) < metadataIDVersion {
		return &metadataAnswer{}, nil
	}
	body := binary.AppendUvarint(nil, uint64(len(c.topics))+1)
	for _, topic := range c.topics {
		body = append(body, make([]byte, len(topicID{}))...) // asked by name
		body = append(appendCompact(body, topic), noTags)
	}
	body = append(body, 0, 0, 0, noTags) // no topic is to be made; no rights are asked for
	if err := flexibleRequest(rw, protocol.Metadata, metadataIDVersion, body); err != nil {
		return nil, err
	}
	w, err := readAnswer(rw, maxAnswer, true)
	if err != nil {
		return nil, err
	}
	return w.topics()
}

func (w *wire) topics() (*metadataAnswer, error) {
	a := &metadataAnswer{known: true, ids: map[string]topicID{}, codes: map[string]kafka.Error{}}
	w.int32() // throttle time
	for range w.compactLength() {
		w.int32()         // broker
		w.compactString() // host
		w.int32()         // port
		w.compactString() // rack
		w.tags()
		if w.short {
			return nil, io.ErrUnexpectedEOF
		}
	}
	w.compactString() // cluster
	w.int32()         // controller
	for range w.compactLength() {
		code := kafka.Error(w.int16())
		name := w.compactString()
		var id topicID
		copy(id[:], w.bytes(len(id)))
		w.bytes(1) // internal
		for range w.compactLength() {
			w.bytes(2 + 4 + 4 + 4) // error code, partition, leader, its epoch
			for range 3 {          // replicas: all, in sync, offline
				w.bytes(4 * w.compactLength())
			}
			w.tags()
			if w.short {
				return nil, io.ErrUnexpectedEOF
			}
		}
		w.int32() // rights
		w.tags()
		if w.short {
			return nil, io.ErrUnexpectedEOF
		}
		if code != 0 {
			a.codes[name] = code
		} else {
			a.ids[name] = id
		}
	}
	return a, nil
}

// topicIDs asks which topics are meant by the names now.
func topicIDs(ctx context.Context, transport kafka.RoundTripper, addr net.Addr, topics []string) (*metadataAnswer, error) {
	if len(topics) == 0 {
		return &metadataAnswer{}, nil
	}
	answer, err := transport.RoundTrip(ctx, addr, &metadataCall{topics})
	if err != nil {
		return nil, fmt.Errorf("look up the ids of topics: %w", err)
	}
	return answer.(*metadataAnswer), nil
}

// text is what stands in the group.
func (p *position) text() string {
	if p.stamped {
		return stamp(p.topic, p.metadata)
	}
	return p.metadata
}
