package seal

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
)

// Sealed is a secret as it stands in a document.
type Sealed struct {
	KID   string `json:"kid"`
	Nonce []byte `json:"nonce"`
	Data  []byte `json:"data"`
}

// LogValue shows the key's id alone.
func (s Sealed) LogValue() slog.Value { return slog.StringValue("sealed with " + s.KID) }

var (
	// ErrUnknownKey says that the ring has not the key that a secret is sealed with.
	ErrUnknownKey = errors.New("the ring has not the key")
	// ErrNotOpened says that a secret was changed, or sealed for another document or field,
	// or that the key of the id is another one.
	ErrNotOpened = errors.New("not sealed for this document and field with this key, or changed since")
)

// Seal seals a secret for a field of a document: its key in the journal, and the
// field as a JSON Pointer (RFC 6901), which is how Reseal and Each find it.
func (r *Ring) Seal(document, field string, secret []byte) Sealed {
	k := r.keys[0]
	out := k.gcm.Seal(nil, nil, secret, bound(document, field))
	return Sealed{KID: k.id, Nonce: out[:nonceBytes], Data: out[nonceBytes:]}
}

// Open is the secret of a field of a document.
func (r *Ring) Open(document, field string, s Sealed) ([]byte, error) {
	for _, k := range r.keys {
		if k.id != s.KID {
			continue
		}
		if len(s.Nonce) != nonceBytes {
			return nil, fmt.Errorf("%s of %s: %w", field, document, ErrNotOpened)
		}
		secret, err := k.gcm.Open(nil, nil, append(append([]byte(nil), s.Nonce...), s.Data...), bound(document, field))
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", field, document, ErrNotOpened)
		}
		return secret, nil
	}
	return nil, fmt.Errorf("%s of %s: %w %q that it is sealed with", field, document, ErrUnknownKey, s.KID)
}

// bound is the text that a sealed value is bound to. The length keeps two pairs
// apart that read the same together.
func bound(document, field string) []byte {
	return []byte(strconv.Itoa(len(document)) + ":" + document + field)
}
