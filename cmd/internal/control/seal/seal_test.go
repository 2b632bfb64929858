package seal

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// line is a key's, made of one byte.
func line(id string, b byte) string {
	return id + " " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), keyBytes)))
}

func ringOf(t *testing.T, lines ...string) *Ring {
	t.Helper()
	r, err := FromEnvironment("KEYS", strings.Join(lines, ","))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestASecretOpensWhereItWasSealedAndNowhereElse(t *testing.T) {
	r := ringOf(t, line("a", 'a'))
	s := r.Seal("connections/1", "/auth/secretKey", []byte("the secret"))
	if got, err := r.Open("connections/1", "/auth/secretKey", s); err != nil || string(got) != "the secret" {
		t.Error(string(got), err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another document": func() ([]byte, error) { return r.Open("connections/2", "/auth/secretKey", s) },
		"another field":    func() ([]byte, error) { return r.Open("connections/1", "/auth/other", s) },
		"the same letters": func() ([]byte, error) { return r.Open("connections/1/", "auth/secretKey", s) },
		"another key":      func() ([]byte, error) { return ringOf(t, line("a", 'b')).Open("connections/1", "/auth/secretKey", s) },
		"changed": func() ([]byte, error) {
			return r.Open("connections/1", "/auth/secretKey", Sealed{s.KID, s.Nonce, append([]byte{s.Data[0] ^ 1}, s.Data[1:]...)})
		},
		"cut":      func() ([]byte, error) { return r.Open("connections/1", "/auth/secretKey", Sealed{s.KID, s.Nonce, nil}) },
		"no nonce": func() ([]byte, error) { return r.Open("connections/1", "/auth/secretKey", Sealed{s.KID, nil, s.Data}) },
	} {
		if got, err := open(); !errors.Is(err, ErrNotOpened) || got != nil {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if _, err := ringOf(t, line("b", 'b')).Open("connections/1", "/auth/secretKey", s); !errors.Is(err, ErrUnknownKey) || !strings.Contains(err.Error(), `"a"`) {
		t.Error(err)
	}
	if again := r.Seal("connections/1", "/auth/secretKey", []byte("the secret")); string(again.Nonce) == string(s.Nonce) {
		t.Error("a nonce was used twice")
	}
}

func TestTheFirstKeySealsAllOpenAndResealingMovesToTheFirst(t *testing.T) {
	old := ringOf(t, line("old", 'o'))
	body := func(s Sealed) json.RawMessage {
		text, err := json.Marshal(map[string]any{"n": json.Number("12345678901234567890"), "auth": map[string]any{"a/b": []any{s, "<x>"}}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	document, field := "connections/1", "/auth/a~1b/0"
	before := body(old.Seal(document, field, []byte("secret")))
	both := ringOf(t, line("new", 'n'), line("old", 'o'))
	after, n, err := both.Reseal(document, before)
	if err != nil || n != 1 || !strings.Contains(string(after), "12345678901234567890") || !strings.Contains(string(after), "<x>") {
		t.Fatal(n, err, string(after))
	}
	found := 0
	err = Each(after, func(at string, s Sealed) error {
		found++
		if at != field || s.KID != "new" {
			t.Error(at, s.KID)
		}
		got, err := ringOf(t, line("new", 'n')).Open(document, at, s)
		if string(got) != "secret" {
			t.Errorf("%q", got)
		}
		return err
	})
	if err != nil || found != 1 {
		t.Error(found, err)
	}
	if same, n, err := both.Reseal(document, after); err != nil || n != 0 || string(same) != string(after) {
		t.Error(n, err)
	}
	if _, _, err := ringOf(t, line("new", 'n')).Reseal(document, before); !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
}

func TestAKeyThatIsWrongIsNamedByItsPlaceAlone(t *testing.T) {
	key := strings.Fields(line("a", 'k'))[1]
	for text, want := range map[string]string{
		"":                            "no key",
		"# nothing\n\n":               "no key",
		key:                           "line 1: must be ID KEY",
		"a b c":                       "line 1: must be ID KEY",
		"a/b " + key:                  "line 1: must be ID KEY",
		"\na " + key[:20]:             "line 2: the key must be 32 bytes in base64, as of openssl rand -base64 32",
		"a " + key + "\na " + key:     "line 2: the id is that of",
		"a !" + key:                   "line 1: the key must be 32 bytes",
		line("a", 'a') + "\nb " + key: "",
	} {
		path := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := ReadFiles(path)
		if want == "" {
			if err != nil || strings.Join(r.IDs(), " ") != "a b" {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), key[:8]) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ReadFiles(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a file that is not there is no ring")
	}
}

func TestNoTextOfARingShowsAKey(t *testing.T) {
	r := ringOf(t, line("a", 'k'))
	if got := fmt.Sprintf("%v %+v %#v %s", r, r, r, r.LogValue()); strings.Contains(got, "kkkk") || strings.Count(got, "ring of 1 keys") != 4 {
		t.Error(got)
	}
}
