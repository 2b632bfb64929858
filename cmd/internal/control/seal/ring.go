package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
)

const (
	keyBytes   = 32 // AES-256
	nonceBytes = 12
	// maxKeys bounds a ring: each opening names its key, so it costs nothing, but
	// nobody has so many.
	maxKeys = 100
	// maxKeyFile is more than as many keys take.
	maxKeyFile = 64 << 10
)

var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Ring is keys that secrets are sealed with and opened by.
type Ring struct{ keys []key }

type key struct {
	id  string
	gcm cipher.AEAD
}

// String hides the keys.
func (r *Ring) String() string { return fmt.Sprintf("ring of %d keys", len(r.keys)) }

// GoString hides the keys.
func (r *Ring) GoString() string { return r.String() }

// LogValue hides the keys.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }

// IDs are the ids of the keys; the first one seals.
func (r *Ring) IDs() []string {
	ids := make([]string, 0, len(r.keys))
	for _, k := range r.keys {
		ids = append(ids, k.id)
	}
	return ids
}

// ReadFiles makes a ring of the keys of files, in their order: each line is
// ID KEY, the key 32 random bytes in base64. Empty lines and what follows # do not count.
func ReadFiles(paths ...string) (*Ring, error) {
	var all ring
	for _, path := range paths {
		text, err := readSmall(path)
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		if err := all.add(path, text); err != nil {
			return nil, err
		}
	}
	return all.done("the key files have")
}

// readSmall reads a key file, and not without end: it may be a device, or a mistake.
func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than %d bytes: is it the file that was meant?", path, maxKeyFile)
	}
	return text, err
}

// FromEnvironment makes a ring of the value of an environment variable: as a file
// has it, a comma as good as an end of line.
func FromEnvironment(name, value string) (*Ring, error) {
	var all ring
	if err := all.add(name, []byte(strings.ReplaceAll(value, ",", "\n"))); err != nil {
		return nil, err
	}
	return all.done(name + " has")
}

// ring is one in the making.
type ring struct {
	keys []key
	from map[string]string // where each id was found
}

func (r *ring) add(source string, text []byte) error {
	n := 0
	for line := range strings.SplitSeq(string(bytes.TrimPrefix(text, []byte("\ufeff"))), "\n") {
		n++
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		place := fmt.Sprintf("%s: line %d", source, n)
		// What a line holds is never shown: it may be a key.
		if len(fields) != 2 || !keyID.MatchString(fields[0]) {
			return fmt.Errorf("%s: must be ID KEY, the id 1 to 64 of A-Z a-z 0-9 . _ -", place)
		}
		raw, err := base64.StdEncoding.DecodeString(fields[1])
		if err != nil || len(raw) != keyBytes {
			return fmt.Errorf("%s: the key must be %d bytes in base64, as of openssl rand -base64 %[2]d", place, keyBytes)
		}
		if before, twice := r.from[fields[0]]; twice {
			return fmt.Errorf("%s: the id is that of %s already", place, before)
		}
		if len(r.keys) == maxKeys {
			return fmt.Errorf("%s: more than %d keys", place, maxKeys)
		}
		k, err := newKey(fields[0], raw)
		if err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
		if r.from == nil {
			r.from = map[string]string{}
		}
		r.from[fields[0]] = place
		r.keys = append(r.keys, k)
	}
	return nil
}

func (r *ring) done(who string) (*Ring, error) {
	if len(r.keys) == 0 {
		return nil, fmt.Errorf("%s no key: write a line ID KEY, the key as of openssl rand -base64 %d", who, keyBytes)
	}
	return &Ring{r.keys}, nil
}

func newKey(id string, raw []byte) (key, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, errors.New("the key is of no use")
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, errors.New("the key is of no use")
	}
	return key{id, gcm}, nil
}
