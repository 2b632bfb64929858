package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/server"
)

func tokenFile(t *testing.T, names ...string) (file string, tokens []string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "tokens.yaml")
	for _, name := range names {
		token, err := server.CreateToken(file, name, []api.Permission{api.View}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	return file, tokens
}

// Of two that read the file, and write what each has made of it, one would be lost: a token
// that was printed, or a revocation.
func TestChangesOfTheTokensAtOnceAreAllKept(t *testing.T) {
	file, _ := tokenFile(t, "leaver")
	var all errgroup.Group
	for i := range 20 {
		all.Go(func() error {
			_, err := server.CreateToken(file, fmt.Sprint("t", i), []api.Permission{api.View}, nil)
			return err
		})
	}
	all.Go(func() error { return server.RevokeToken(file, "leaver") })
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	if list, err := server.ReadTokens(file); err != nil || len(list) != 20 {
		t.Errorf("%d tokens, %v", len(list), err)
	}
}

// serve may run as another user than who changes the file.
func TestAChangedFileOfTokensKeepsItsOwnerAndMode(t *testing.T) {
	file, _ := tokenFile(t, "leaver")
	owner, group := os.Getuid(), os.Getgid()
	if owner == 0 { // only root may give files away
		owner, group = 65534, 65533
	}
	if err := os.Chown(file, owner, group); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := server.RevokeToken(file, "leaver"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if is, ok := info.Sys().(*syscall.Stat_t); !ok || int(is.Uid) != owner || int(is.Gid) != group || info.Mode().Perm() != 0o640 {
		t.Errorf("%s, %+v", info.Mode(), info.Sys())
	}
}

func TestAFileOfTokensThatCannotBeReadIsToldOfOnce(t *testing.T) {
	file, tokens := tokenFile(t, "viewer", "leaver")
	opened, err := server.OpenTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *server.Options) { o.Tokens = opened })
	ask := func(status int) {
		t.Helper()
		for range 3 {
			opened.LookAgain()
			r.call("GET", flowservice+"/flows", "", "Authorization", "Bearer "+tokens[1]).is(status)
		}
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ask(200)
	write("tokens: [") // half of a file
	ask(200)
	if n := strings.Count(r.log.String(), "cannot be read"); n != 1 {
		t.Errorf("told %d times:\n%s", n, r.log.String())
	}
	write(string(whole) + "\n\n")
	ask(200)
	if err := server.RevokeToken(file, "leaver"); err != nil {
		t.Fatal(err)
	}
	ask(401)
	if n := strings.Count(r.log.String(), "can be read again"); n != 1 {
		t.Errorf("told %d times:\n%s", n, r.log.String())
	}
}

// A limit whose name is wrong, or whose value is empty, is none.
func TestATokenForNoSandboxIsRefused(t *testing.T) {
	file, _ := tokenFile(t, "viewer")
	if _, err := server.CreateToken(file, "other", []api.Permission{api.View}, []string{""}); err == nil {
		t.Error("a sandbox without a name is taken")
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"sandbox: [prod]", `sandboxes: [""]`} {
		if err := os.WriteFile(file, []byte(strings.Replace(string(whole), "- name:", "- "+line+"\n      name:", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := server.ReadTokens(file); err == nil {
			t.Errorf("%s: taken as %+v", line, list)
		}
	}
}
