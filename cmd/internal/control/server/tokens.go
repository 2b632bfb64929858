package server

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/schemas/smallfile"
)

// Token is one of the file: never the token itself, but its hash. It is random, so a
// fast hash is as good as a slow one.
type Token struct {
	Name        string           `yaml:"name"`
	Hash        string           `yaml:"hash"` // sha256:… in hexadecimal
	Permissions []api.Permission `yaml:"permissions"`
	Sandboxes   []string         `yaml:"sandboxes,omitempty"` // none: all
	CreatedAt   string           `yaml:"createdAt"`
}

const hashPrefix = "sha256:"

// tokenPrefix lets scanners of repositories know a token that was committed.
const tokenPrefix = "kdt_"

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$`)

// Tokens is a file of tokens, read again when it has changed: a token that is revoked
// is refused from then on.
type Tokens struct {
	file string

	mu      sync.Mutex
	list    []Token
	looked  time.Time
	changed time.Time
	size    int64
	failing string // why the file could not be read, as it was logged
}

// lookEvery is how often the file is looked at.
const lookEvery = time.Second

// OpenTokens reads a file of tokens.
func OpenTokens(file string) (*Tokens, error) {
	t := &Tokens{file: file}
	return t, t.read()
}

func (t *Tokens) read() error {
	info, err := os.Stat(t.file)
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	list, err := ReadTokens(t.file)
	if err != nil {
		return err
	}
	t.list, t.changed, t.size = list, info.ModTime(), info.Size()
	return nil
}

// current are the tokens of the file as it is. One that cannot be read, or holds a
// mistake, leaves those that were read before, and is told of: they may have been revoked.
func (t *Tokens) current(log *slog.Logger) []Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.Sub(t.looked) >= lookEvery {
		t.looked = now
		info, err := os.Stat(t.file)
		if err == nil && (!info.ModTime().Equal(t.changed) || info.Size() != t.size) {
			err = t.read()
		}
		t.tell(log, err)
	}
	return t.list
}

// tell logs once why the file cannot be read, and that it can be again.
func (t *Tokens) tell(log *slog.Logger, err error) {
	switch {
	case err == nil && t.failing != "":
		t.failing = ""
		log.Info("the file of tokens can be read again", "file", t.file)
	case err != nil && t.failing != err.Error():
		t.failing = err.Error()
		log.Error("the file of tokens cannot be read: those that were read before stay in force, and one that was revoked since is still good", "error", err)
	}
}

// bearer is the token that a request shows.
func bearer(r *http.Request) (string, error) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if value = strings.TrimSpace(value); !strings.EqualFold(scheme, "Bearer") || value == "" {
		return "", api.Refuse(api.CodeNoToken, "Oauth token is missing: send Authorization: Bearer TOKEN. kinesis-destination token create makes one.")
	}
	return value, nil
}

// find is what the file has of a token.
func (t *Tokens) find(value string, log *slog.Logger) (Token, error) {
	given := hashOf(value)
	var found *Token
	list := t.current(log)
	for i := range list {
		if subtle.ConstantTimeCompare([]byte(list[i].Hash), []byte(given)) == 1 {
			found = &list[i]
		}
	}
	if found == nil {
		return Token{}, api.Refuse(api.CodeBadToken, "Oauth token is not valid: it is none of this server, or was revoked.")
	}
	return *found, nil
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// ReadTokens reads a file of tokens.
func ReadTokens(file string) ([]Token, error) {
	text, err := smallfile.Read(file, config.MaxConfigBytes)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	var block struct {
		Tokens []Token `yaml:"tokens"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true) // a limit whose name is wrong would be none
	if err := decoder.Decode(&block); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: is no file of tokens; kinesis-destination token create makes one, each with name, hash, permissions, sandboxes and createdAt", file)
	}
	for i, token := range block.Tokens {
		if !tokenName.MatchString(token.Name) || len(token.Hash) != len(hashPrefix)+2*sha256.Size || !strings.HasPrefix(token.Hash, hashPrefix) {
			return nil, fmt.Errorf("%s: tokens[%d]: needs a name, and a hash as token create writes it", file, i)
		}
		if err := checkPermissions(token.Permissions); err != nil {
			return nil, fmt.Errorf("%s: tokens[%d]: %w", file, i, err)
		}
		if slices.Contains(token.Sandboxes, "") {
			return nil, fmt.Errorf("%s: tokens[%d]: sandboxes has an empty name", file, i)
		}
	}
	return block.Tokens, nil
}

func checkPermissions(list []api.Permission) error {
	for _, p := range list {
		if !slices.Contains(everything, p) {
			return fmt.Errorf("%q is no permission; there are view, manage and activate", p)
		}
	}
	if len(list) == 0 {
		return errors.New("needs a permission: view, manage or activate")
	}
	return nil
}

// CreateToken adds a token to a file, which is made where there is none, and returns
// it: it is nowhere else.
func CreateToken(file, name string, permissions []api.Permission, sandboxes []string) (string, error) {
	if !tokenName.MatchString(name) {
		return "", errors.New("a token's name is 1 to 100 letters, digits, '.', '_', '@' or '-'")
	}
	if err := checkPermissions(permissions); err != nil {
		return "", err
	}
	if slices.Contains(sandboxes, "") {
		return "", errors.New("a sandbox has an empty name")
	}
	unlock, err := lockTokens(file)
	if err != nil {
		return "", err
	}
	defer unlock()
	list, err := ReadTokens(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if slices.ContainsFunc(list, func(t Token) bool { return t.Name == name }) {
		return "", fmt.Errorf("there is a token %s already; revoke it first", name)
	}
	value := tokenPrefix + rand.Text() + rand.Text()
	list = append(list, Token{name, hashOf(value), permissions, sandboxes, time.Now().UTC().Format(time.RFC3339)})
	return value, writeTokens(file, list)
}

// RevokeToken takes a token out of a file.
func RevokeToken(file, name string) error {
	unlock, err := lockTokens(file)
	if err != nil {
		return err
	}
	defer unlock()
	list, err := ReadTokens(file)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(list), func(t Token) bool { return t.Name == name })
	if len(left) == len(list) {
		return fmt.Errorf("there is no token %s", name)
	}
	return writeTokens(file, left)
}

// lockTokens has one change at a time: of two at once, one would be lost. What is locked is
// the directory, as the file is replaced.
func lockTokens(file string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("tokens: lock %s: %w", dir.Name(), err), dir.Close())
	}
	return func() { _ = dir.Close() }, nil // which unlocks it
}

// like gives a file the owner and the mode of the one whose place it takes: serve is to
// read what an administrator has changed.
func like(next *os.File, file string) error {
	before, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err //nolint:wrapcheck // the caller says what it was for
	}
	if owner, ok := before.Sys().(*syscall.Stat_t); ok {
		err = next.Chown(int(owner.Uid), int(owner.Gid))
	}
	return errors.Join(err, next.Chmod(before.Mode().Perm()))
}

// writeTokens replaces the file as a whole: who reads it meanwhile has the old one.
func writeTokens(file string, list []Token) error {
	text, err := yaml.Marshal(map[string]any{"tokens": list})
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(file), ".tokens-*") // for its owner alone
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	_, err = next.Write(text)
	err = errors.Join(err, like(next, file), next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write tokens: %w", err), os.Remove(next.Name()))
	}
	return nil
}
