package sink

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// wire is a form in which the service takes PutRecords.
type wire struct {
	contentType string
	separator   string // between two records
	begin       func(dst []byte) []byte
	record      func(dst, data []byte, key string) []byte
	end         func(dst []byte, stream string) []byte
	// room is what a record takes of a body, about.
	room func(data, key int) int
}

// The content types of the service.
const (
	jsonType = "application/x-amz-json-1.1"
	cborType = "application/x-amz-cbor-1.1"
)

// wireOf is the form that a configuration names.
func wireOf(protocol string) *wire {
	if protocol == ProtocolCBOR {
		return &wire{cborType, "", beginCBOR, appendRecordCBOR, endCBOR, func(data, key int) int { return data + key + recordCBOR }}
	}
	return &wire{jsonType, ",", beginJSON, appendRecordJSON, endJSON, func(data, key int) int { return data*4/3 + key + recordJSON }}
}

// streamField is the field of a request that names the stream: by ARN once it is
// known, as the service recommends.
func streamField(stream string) string {
	if strings.HasPrefix(stream, "arn:") {
		return "StreamARN"
	}
	return "StreamName"
}

// The parts of a JSON body.
const (
	headJSON   = `{"Records":[`
	dataJSON   = `{"Data":"`
	keyJSON    = `","PartitionKey":`
	recordJSON = len(dataJSON) + len(keyJSON) + len(`"",`) + 8
)

func beginJSON(dst []byte) []byte { return append(dst, headJSON...) }

func appendRecordJSON(dst, data []byte, key string) []byte {
	dst = append(dst, dataJSON...)
	dst = appendBase64(dst, data)
	dst = append(dst, keyJSON...)
	return append(appendString(dst, key), '}')
}

func endJSON(dst []byte, stream string) []byte {
	dst = append(dst, `],"`...)
	dst = append(dst, streamField(stream)...)
	dst = append(dst, `":`...)
	return append(appendString(dst, stream), '}')
}

// appendString appends a JSON string. Invalid UTF-8 becomes the replacement
// character, as in encoding/json.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	if isPlain([]byte(s)) {
		dst = append(dst, s...)
		return append(dst, '"')
	}
	for _, r := range s { // ranging replaces what is invalid
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// isPlain says that a text is ASCII that JSON does not escape. It looks at eight bytes
// at a time: of each the highest bit tells, by itself or by what a subtraction took.
func isPlain(s []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		x := binary.LittleEndian.Uint64(s)
		quote, backslash := x^ones*'"', x^ones*'\\'
		if (x|(x-ones*' ')&^x|(quote-ones)&^quote|(backslash-ones)&^backslash)&highs != 0 {
			return false
		}
	}
	for _, c := range s {
		if c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// The parts of a CBOR body, RFC 8949. Maps and the list are of indefinite length,
// as those of the Java SDK are, which is what the service has always been sent.
const (
	textCBOR  = 0x60
	bytesCBOR = 0x40
	headCBOR  = "\xbf\x67Records\x9f"
	dataCBOR  = "\xbf\x64Data"
	keyCBOR   = "\x6cPartitionKey"
	breakCBOR = 0xff
	// recordCBOR has two lengths of up to five bytes.
	recordCBOR = len(dataCBOR) + len(keyCBOR) + 5 + 5 + 1
)

func beginCBOR(dst []byte) []byte { return append(dst, headCBOR...) }

func appendRecordCBOR(dst, data []byte, key string) []byte {
	dst = append(dst, dataCBOR...)
	dst = appendHeadCBOR(dst, bytesCBOR, len(data))
	dst = append(dst, data...)
	dst = append(dst, keyCBOR...)
	return append(appendTextCBOR(dst, key), breakCBOR)
}

func endCBOR(dst []byte, stream string) []byte {
	dst = append(dst, breakCBOR)
	dst = appendTextCBOR(dst, streamField(stream))
	return append(appendTextCBOR(dst, stream), breakCBOR)
}

// appendTextCBOR appends a text, which must be UTF-8: what is not becomes the
// replacement character, as in JSON.
func appendTextCBOR(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return append(appendHeadCBOR(dst, textCBOR, len(s)), s...)
}

// appendHeadCBOR appends the head of a text or of bytes.
func appendHeadCBOR(dst []byte, kind byte, n int) []byte {
	switch {
	case n < 24:
		return append(dst, kind|byte(n))
	case n < 1<<8:
		return append(dst, kind|24, byte(n))
	case n < 1<<16:
		return append(dst, kind|25, byte(n>>8), byte(n))
	}
	return append(dst, kind|26, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
