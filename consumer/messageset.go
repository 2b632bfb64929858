package consumer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
)

const (
	// maxSet bounds a message set before v2 that is handed out: four times what a
	// broker lets in by default. Kafka has written none since 0.11 (2017).
	maxSet = 4 << 20
	// oldMessageCost is what kafka-go takes for each message while it reads a set.
	oldMessageCost = 512
	// setHead is an offset and a size, before each message of a set.
	setHead = 12
)

// messageSet takes a message set before v2 as a part. kafka-go reads it: such sets
// are of a time long past. It decompresses a set as a whole, so that is done here
// before, with nothing kept, to learn what it will take.
func (d *decoder) messageSet(ctx context.Context) (*part, error) {
	b := &d.batch
	codec := b.codec()
	size, count := int64(len(b.raw)), int64(1)
	if codec != compress.None {
		value, err := setValue(b.raw)
		if err == nil {
			size, count, err = d.measure(ctx, codec, value)
		}
		if errors.Is(err, errNotWhole) {
			return d.wholeSet(ctx, value)
		}
		if err != nil {
			return nil, d.fault(ctx, err)
		}
	}
	cost := 3*(size+int64(len(b.raw))) + count*(oldMessageCost+messageCost+slotCost)
	if err := d.account.acquire(ctx, cost); err != nil {
		return nil, err
	}
	messages, kept, err := d.readSet()
	kept += int64(len(messages)) * (messageCost + slotCost)
	if err != nil || len(messages) == 0 {
		d.account.release(cost)
		d.next = max(d.next, b.last+1)
		if err != nil {
			return nil, d.fault(ctx, err)
		}
		return nil, nil
	}
	d.account.release(cost - min(kept, cost))
	return d.set(messages, min(kept, cost)), nil
}

// set hands a message set out.
func (d *decoder) set(messages []Message, cost int64) *part {
	d.next = max(d.next, d.batch.last+1)
	p := newPart(d.account, messages, cost)
	p.topic, p.next = d.topic, d.next
	return p
}

// wholeSet hands out, in place of a compressed set that is too large, one message
// that says so, at the set's last offset.
func (d *decoder) wholeSet(ctx context.Context, value []byte) (*part, error) {
	if d.batch.last < d.position {
		d.next = max(d.next, d.batch.last+1)
		return nil, nil
	}
	const cost = messageCost + slotCost
	if err := d.account.acquire(ctx, cost); err != nil {
		return nil, err
	}
	rec := record{offset: d.batch.last}
	o := &Omitted{Length: int64(len(value)), SHA256: sha256.Sum256(value)}
	return d.set([]Message{d.message(&rec, nil, o)}, cost), nil
}

// setValue is the value of a set's one outer message.
func setValue(raw []byte) ([]byte, error) {
	at := messageTime
	if raw[batchMagic] > 0 {
		at += 8
	}
	var value []byte
	for range 2 { // its key, its value
		if len(raw) < at+4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := max(0, int(int32(binary.BigEndian.Uint32(raw[at:]))))
		if at += 4; n > len(raw)-at {
			return nil, errLength
		}
		value = raw[at : at+n]
		at += n
	}
	return value, nil
}

// measure decompresses a set, and counts its bytes and messages.
func (d *decoder) measure(ctx context.Context, codec compress.Compression, value []byte) (size, count int64, err error) {
	cost := streamCost(codec, value)
	if err := d.account.acquire(ctx, cost); err != nil {
		return 0, 0, err
	}
	defer d.account.release(cost)
	stream, err := d.codecs.stream(codec, value)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = stream.Close() }() // of what is in memory: there is nothing to lose
	r := bufio.NewReader(stream)
	for {
		var head [setHead]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // a last one that is cut short is none
				return size, count, nil
			}
			return 0, 0, err
		}
		n := int64(int32(binary.BigEndian.Uint32(head[8:])))
		size += setHead + n
		if count++; n < 0 {
			return 0, 0, errLength
		}
		if size > maxSet {
			return 0, 0, errNotWhole
		}
		if _, err := io.CopyN(io.Discard, r, n); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
	}
}

// readSet has kafka-go read the set.
func (d *decoder) readSet() (messages []Message, kept int64, err error) {
	raw := d.batch.raw
	set := make([]byte, 0, 4+len(raw))
	set = binary.BigEndian.AppendUint32(set, uint32(len(raw)))
	set = append(set, raw...)
	var decoded protocol.RecordSet
	if _, err := decoded.ReadFrom(bytes.NewBuffer(set)); err != nil {
		return nil, 0, err
	}
	stream, ok := decoded.Records.(*protocol.RecordStream)
	if !ok || len(stream.Records) != 1 {
		return nil, 0, io.ErrUnexpectedEOF
	}
	for {
		r, err := stream.Records[0].ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		rec := record{offset: r.Offset, time: r.Time.UnixMilli()}
		rec.key, err = readBytes(r.Key)
		if err == nil {
			rec.value, err = readBytes(r.Value)
		}
		if err != nil {
			return nil, 0, err
		}
		kept += int64(len(rec.key) + len(rec.value))
		messages = append(messages, d.message(&rec, nil, nil))
	}
	if err := d.setOffsets(messages); err != nil {
		return nil, 0, err
	}
	return slices.DeleteFunc(messages, func(m Message) bool { return m.Offset < d.position }), kept, nil
}

// setOffsets corrects what kafka-go makes of offsets within a compressed set that
// was cleaned: the last of them is the set's.
func (d *decoder) setOffsets(messages []Message) error {
	if len(messages) == 0 {
		return nil
	}
	off := d.batch.last - messages[len(messages)-1].Offset
	for i := range messages {
		messages[i].Offset += off
		if i > 0 && messages[i].Offset <= messages[i-1].Offset {
			return errOffset
		}
	}
	return nil
}

// readBytes copies what kafka-go keeps in pages, and gives the pages back.
func readBytes(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer func() { _ = b.Close() }() // page references; closing them cannot fail
	copied := make([]byte, b.Len())
	_, err := io.ReadFull(b, copied)
	return copied, err
}
