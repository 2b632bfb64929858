package kpl

import (
	"bytes"
	"crypto/md5"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

var (
	// ErrPlain says that a record is no aggregate.
	ErrPlain     = errors.New("a plain record")
	errAggregate = errors.New("it is not of the KPL's format, or its checksum is wrong")
)

// Member is one document of an aggregate.
type Member struct {
	Key  string
	Data []byte
}

// Unpack takes an aggregate apart. The error is ErrPlain for any other record.
func Unpack(data []byte) ([]Member, error) {
	body, ok := bytes.CutPrefix(data, Magic[:])
	if !ok {
		return nil, ErrPlain
	}
	if len(body) < md5.Size {
		return nil, errAggregate
	}
	body, sum := body[:len(body)-md5.Size], body[len(body)-md5.Size:]
	if want := md5.Sum(body); !bytes.Equal(sum, want[:]) {
		return nil, errAggregate
	}
	var keys []string
	var members []Member
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return nil, errAggregate
		}
		body = body[n:]
		if n = protowire.ConsumeFieldValue(number, kind, body); n < 0 {
			return nil, errAggregate
		}
		field, _ := protowire.ConsumeBytes(body)
		body = body[n:]
		switch {
		case kind != protowire.BytesType:
		case number == 1:
			keys = append(keys, string(field))
		case number == 3:
			m, err := unpackMember(keys, field)
			if err != nil {
				return nil, err
			}
			members = append(members, m)
		}
	}
	return members, nil
}

func unpackMember(keys []string, field []byte) (m Member, err error) {
	index := uint64(len(keys))
	for len(field) > 0 {
		number, kind, n := protowire.ConsumeTag(field)
		if n < 0 {
			return m, errAggregate
		}
		field = field[n:]
		if n = protowire.ConsumeFieldValue(number, kind, field); n < 0 {
			return m, errAggregate
		}
		switch {
		case number == 1 && kind == protowire.VarintType:
			index, _ = protowire.ConsumeVarint(field)
		case number == 3 && kind == protowire.BytesType:
			m.Data, _ = protowire.ConsumeBytes(field)
		}
		field = field[n:]
	}
	if index >= uint64(len(keys)) {
		return m, errAggregate
	}
	m.Key = keys[index]
	return m, nil
}
