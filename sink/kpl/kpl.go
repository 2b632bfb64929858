// Package kpl writes and reads the records that the Kinesis Producer Library
// aggregates: several documents in one record of a stream, which the Kinesis Client
// Library and aws-kinesis-agg take apart.
//
// An aggregate is [Magic], a protobuf message, and the message's MD5:
//
//	message AggregatedRecord {
//	  repeated string partition_key_table = 1;
//	  repeated string explicit_hash_key_table = 2;
//	  repeated Record records = 3;
//	}
//	message Record {
//	  required uint64 partition_key_index = 1;
//	  optional uint64 explicit_hash_key_index = 2;
//	  required bytes data = 3;
//	}
//
// It is written as [AppendHead], [AppendKey] for each key, [AppendMember] for each
// document, [AppendSum].
package kpl

import (
	"crypto/md5"
	"encoding/binary"
)

// MaxBytes is how large an aggregate may be: the KPL's own default, which every
// reader of aggregates has met.
const MaxBytes = 51_200

// MaxKeys bounds the keys of an aggregate, so that each index takes a byte.
const MaxKeys = 128

// Magic begins every aggregate.
var Magic = [4]byte{0xF3, 0x89, 0x9A, 0xC2}

// FrameSize is what an aggregate takes beside its message.
const FrameSize = len(Magic) + md5.Size

const (
	tagKeyTable = 1<<3 | 2
	tagRecords  = 3<<3 | 2
	tagKeyIndex = 1 << 3
	tagData     = 3<<3 | 2
)

// KeySize is what a key of n bytes takes.
func KeySize(n int) int { return fieldSize(n) }

// MemberSize is what a document of n bytes takes.
func MemberSize(n int) int { return fieldSize(2 + fieldSize(n)) }

// fieldSize is what a field with a length takes: tag, length and content.
func fieldSize(n int) int {
	size := 2 + n
	for rest := n >> 7; rest > 0; rest >>= 7 {
		size++
	}
	return size
}

// AppendHead begins an aggregate.
func AppendHead(dst []byte) []byte { return append(dst, Magic[:]...) }

// AppendKey writes the next key.
func AppendKey(dst []byte, key string) []byte {
	dst = append(dst, tagKeyTable)
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	return append(dst, key...)
}

// AppendMember writes the next document, of the key that was written as the
// index-th, from 0.
func AppendMember(dst []byte, index int, data []byte) []byte {
	dst = append(dst, tagRecords)
	dst = binary.AppendUvarint(dst, uint64(2+fieldSize(len(data))))
	dst = append(dst, tagKeyIndex, byte(index), tagData)
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	return append(dst, data...)
}

// AppendSum ends an aggregate that begins at dst's start.
func AppendSum(dst []byte) []byte {
	sum := md5.Sum(dst[len(Magic):])
	return append(dst, sum[:]...)
}
