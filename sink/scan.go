package sink

import (
	"bytes"
	"encoding/binary"
)

// scanner reads an answer to PutRecords of the usual form, in place: one object
// with the fields that the service has, each once, and texts without escapes.
// Whatever else there is it leaves to a library. It may be stricter than that,
// never kinder.
type scanner struct {
	rest   []byte
	binary bool // CBOR, else JSON
	bad    bool // it is not of the usual form
}

// level is an object or a list that is being read.
type level struct {
	end   byte // of JSON
	left  int  // how many entries of CBOR are left; -1: up to a break
	first bool
}

// The fields of an answer.
const (
	hasRecords = 1 << iota
	hasFailed
	hasEncryption
)

// answer appends the results of the whole answer; false: it is not as usual.
func (s *scanner) answer(dst []result) ([]result, bool) {
	had := 0
	for l := s.open('{', '}', majorMap); s.more(&l); {
		field := 0
		switch name := s.name(); string(name) {
		case "Records":
			field, dst = hasRecords, s.records(dst)
		case "FailedRecordCount":
			field = hasFailed
			s.count()
		case "EncryptionType":
			field = hasEncryption
			s.text()
		}
		s.once(&had, field)
	}
	s.space()
	return dst, !s.bad && len(s.rest) == 0
}

func (s *scanner) records(dst []result) []result {
	for l := s.open('[', ']', majorList); s.more(&l); {
		var r result
		if s.stored(&r) {
			dst = append(dst, r)
			continue
		}
		had := 0
		for l := s.open('{', '}', majorMap); s.more(&l); {
			field := fieldOf(s.name())
			s.once(&had, field)
			r.take(field, s.text())
		}
		s.bad = s.bad || !r.said()
		dst = append(dst, r)
	}
	return dst
}

// stored takes an entry in JSON as nearly all are, word for word; false: it has taken
// nothing.
func (s *scanner) stored(r *result) bool {
	rest, begins := bytes.CutPrefix(s.rest, []byte(`{"SequenceNumber":"`))
	if s.binary || !begins {
		return false
	}
	number, rest, _ := cutText(rest)
	rest, goesOn := bytes.CutPrefix(rest, []byte(`,"ShardId":"`))
	shard, rest, _ := cutText(rest)
	if len(number) == 0 || !goesOn || len(rest) == 0 || rest[0] != '}' {
		return false
	}
	s.rest, r.sequenced, r.shard = rest[1:], true, shard
	return true
}

// cutText takes a text of JSON that has no escapes, up to the quote that ends it.
func cutText(s []byte) (text, rest []byte, ok bool) {
	n := bytes.IndexByte(s, '"')
	if n < 0 || !isPlain(s[:n]) {
		return nil, nil, false
	}
	return s[:n], s[n+1:], true
}

// once notes a field; one that is unknown or there again is unusual.
func (s *scanner) once(had *int, field int) {
	s.bad = s.bad || field == 0 || *had&field != 0
	*had |= field
}

func (s *scanner) open(begin, end byte, major byte) level {
	if !s.binary {
		s.bad = s.bad || !s.next(begin)
		return level{end: end, first: true}
	}
	n, indefinite := s.head(major)
	if indefinite {
		n = -1
	}
	return level{left: n}
}

// more says whether there is another entry.
func (s *scanner) more(l *level) bool {
	switch {
	case s.bad:
		return false
	case s.binary && l.left < 0:
		if len(s.rest) > 0 && s.rest[0] == breakCBOR {
			s.rest = s.rest[1:]
			return false
		}
		return true
	case s.binary:
		l.left--
		return l.left >= 0
	case s.next(l.end):
		return false
	case l.first:
		l.first = false
		return true
	}
	s.bad = !s.next(',')
	return !s.bad
}

// name is the name of a field.
func (s *scanner) name() []byte {
	if s.bad {
		return nil
	}
	if s.binary {
		return s.textCBOR()
	}
	name := s.textJSON()
	s.bad = s.bad || !s.next(':')
	return name
}

// text is a text, or none where there is a null.
func (s *scanner) text() []byte {
	switch {
	case s.bad:
		return nil
	case s.binary && len(s.rest) > 0 && s.rest[0] == nullCBOR:
		s.rest = s.rest[1:]
		return nil
	case s.binary:
		return s.textCBOR()
	}
	s.space()
	if rest, null := bytes.CutPrefix(s.rest, []byte("null")); null {
		s.rest = rest
		return nil
	}
	return s.textJSON()
}

func (s *scanner) textJSON() []byte {
	if !s.next('"') {
		s.bad = true
		return nil
	}
	text, rest, ok := cutText(s.rest)
	if !ok {
		s.bad = true
		return nil
	}
	s.rest = rest
	return text
}

// count passes over a number of entries: the entries themselves are counted.
func (s *scanner) count() {
	if s.binary {
		_, indefinite := s.head(majorUnsigned)
		s.bad = s.bad || indefinite
		return
	}
	s.space()
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	s.bad = s.bad || n == 0 || n > 9 || (n > 1 && s.rest[0] == '0')
	s.rest = s.rest[n:]
}

func (s *scanner) space() {
	for !s.binary && len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\r' || s.rest[0] == '\t') {
		s.rest = s.rest[1:]
	}
}

// next takes a character of JSON, if it is the next.
func (s *scanner) next(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c { // there is hardly ever space
		s.space()
	}
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// Major types of CBOR, and simple values.
const (
	majorUnsigned = 0
	majorText     = 3
	majorList     = 4
	majorMap      = 5
	nullCBOR      = 0xf6
)

// head takes the head of an item of CBOR: its number, or that it is of indefinite
// length.
func (s *scanner) head(major byte) (n int, indefinite bool) {
	if s.bad || len(s.rest) == 0 || s.rest[0]>>5 != major {
		s.bad = true
		return 0, false
	}
	short := s.rest[0] & 31
	s.rest = s.rest[1:]
	switch {
	case short < 24:
		return int(short), false
	case short == 31:
		return 0, true
	}
	size := 1 << (short - 24)
	if short > 26 || len(s.rest) < size { // an answer has no four thousand million of anything
		s.bad = true
		return 0, false
	}
	var number [4]byte
	copy(number[4-size:], s.rest)
	s.rest = s.rest[size:]
	return int(binary.BigEndian.Uint32(number[:])), false
}

func (s *scanner) textCBOR() []byte {
	n, indefinite := s.head(majorText)
	if s.bad || indefinite || n > len(s.rest) || !isPlain(s.rest[:n]) {
		s.bad = true
		return nil
	}
	text := s.rest[:n]
	s.rest = s.rest[n:]
	return text
}
