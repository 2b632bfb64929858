package main

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// buffer is what one call needs; calls follow one another in it.
type buffer struct {
	body, answer, data []byte
	binary             bool // the body is CBOR: data is not base64
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// most is more than any request may be: 10 MiB of data in base64.
const most = 16 << 20

func (b *buffer) read(r *http.Request) error {
	if r.ContentLength < 0 || r.ContentLength > most {
		return fmt.Errorf("a body of %d bytes", r.ContentLength)
	}
	b.binary = strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-cbor")
	n := int(r.ContentLength)
	if cap(b.body) < n {
		b.body = make([]byte, n)
	}
	b.body = b.body[:n]
	if _, err := io.ReadFull(r.Body, b.body); err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

// entries calls f with each entry's key and its data, in base64. It looks for
// strings only: those of the benchmark hold no escapes.
func (b *buffer) entries(f func(key, data []byte)) {
	if b.binary {
		b.entriesCBOR(f)
		return
	}
	var key, data, name []byte
	for rest := b.body; ; {
		s, after, ok := nextString(rest)
		if !ok {
			return
		}
		rest = after
		switch string(name) {
		case "Data":
			data, name = s, nil
		case "PartitionKey":
			key, name = s, nil
		default:
			name = s
			continue
		}
		if key != nil && data != nil {
			f(key, data)
			key, data = nil, nil
		}
	}
}

// entriesCBOR is entries of a body in CBOR, as far as the benchmark's commands write it.
func (b *buffer) entriesCBOR(f func(key, data []byte)) {
	const dataField, keyField = "\x64Data", "\x6cPartitionKey"
	for rest := b.body; ; {
		_, after, found := bytes.Cut(rest, []byte(dataField))
		if !found {
			return
		}
		data, after := nextItem(after)
		key, after := nextItem(bytes.TrimPrefix(after, []byte(keyField)))
		f(key, data)
		rest = after
	}
}

// nextItem takes a text or bytes of CBOR, below 64 KiB.
func nextItem(text []byte) (item, after []byte) {
	n, head := int(text[0]&31), 1
	switch n {
	case 24:
		n, head = int(text[1]), 2
	case 25:
		n, head = int(binary.BigEndian.Uint16(text[1:])), 3
	}
	return text[head : head+n], text[head+n:]
}

func nextString(text []byte) (s, after []byte, ok bool) {
	from := bytes.IndexByte(text, '"')
	if from < 0 {
		return nil, nil, false
	}
	text = text[from+1:]
	to := bytes.IndexByte(text, '"')
	if to < 0 {
		return nil, nil, false
	}
	return text[:to], text[to+1:], true
}

// shardOf is the shard of a key among n, a power of two, of equal ranges.
func shardOf(key []byte, n int) int {
	hash := md5.Sum(key)
	return int(uint64(binary.BigEndian.Uint32(hash[:])) * uint64(n) >> 32)
}

func appendShard(dst []byte, shard int) []byte {
	var digits [12]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + shard%10)
		shard /= 10
	}
	return append(append(dst, "shardId-"...), digits[:]...)
}

func shards(n int) []any {
	width := new(big.Int).Lsh(big.NewInt(1), 128)
	width.Div(width, big.NewInt(int64(n)))
	var all []any
	for i := range n {
		from := new(big.Int).Mul(width, big.NewInt(int64(i)))
		to := new(big.Int).Add(from, width)
		to.Sub(to, big.NewInt(1))
		all = append(all, map[string]any{
			"ShardId":             string(appendShard(nil, i)),
			"HashKeyRange":        map[string]string{"StartingHashKey": from.String(), "EndingHashKey": to.String()},
			"SequenceNumberRange": map[string]string{"StartingSequenceNumber": sequence + "00000000"},
		})
	}
	return all
}

// sequence begins every sequence number; the service's have 56 digits.
const sequence = "495903382712575425127364981743625184736251847362"

func (b *buffer) answerEntry(key []byte, shard, shards int) {
	if len(b.answer) == 0 {
		b.answer = append(b.answer, `{"FailedRecordCount":0,"Records":[`...)
	} else {
		b.answer = append(b.answer, ',')
	}
	b.answer = append(b.answer, `{"SequenceNumber":"`...)
	b.answer = append(b.answer, sequence...)
	b.answer = strconv.AppendInt(b.answer, 10_000_000+int64(len(key)*shards+shard), 10)
	b.answer = append(b.answer, `","ShardId":"`...)
	b.answer = appendShard(b.answer, shard)
	b.answer = append(b.answer, `"}`...)
}
