package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static/page.css static/page.js static/htmx.min.js static/htmx.LICENSE.txt static/icon.svg
var staticFiles embed.FS

// htmxSum is the SHA-256 of dist/htmx.min.js of htmx.org 2.0.11, which is vendored as
// it was published.
const htmxSum = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"

// asset is a file for browsers. Its address has the hash of what is in it: a browser
// keeps it for good, and asks for another where it has changed.
type asset struct {
	name, hash, kind string
	plain, gzipped   []byte
}

// assets are all files for browsers, by their names.
type assets struct{ all map[string]*asset }

func newAssets() (*assets, error) {
	a := &assets{all: map[string]*asset{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("assets: %w", err)
	}
	for _, entry := range entries {
		text, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("assets: %w", err)
		}
		sum := sha256.Sum256(text)
		kind := mime.TypeByExtension(path.Ext(entry.Name()))
		switch path.Ext(entry.Name()) { // not as this machine has them
		case ".css":
			kind = "text/css; charset=utf-8"
		case ".js":
			kind = "text/javascript; charset=utf-8"
		case ".svg":
			kind = "image/svg+xml"
		case ".txt":
			kind = "text/plain; charset=utf-8"
		}
		a.all[entry.Name()] = &asset{entry.Name(), hex.EncodeToString(sum[:8]), kind, text, zipped(text)}
	}
	return a, nil
}

// address is where a file is; an unknown one is a mistake in a template.
func (a *assets) address(name string) (string, error) {
	one, ok := a.all[name]
	if !ok {
		return "", fmt.Errorf("assets: there is no %s", name)
	}
	return "/assets/" + one.hash + "/" + name, nil
}

// ServeHTTP implements http.Handler.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one, ok := a.all[r.PathValue("name")]
	if !ok || one.hash != r.PathValue("hash") {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", one.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Vary", "Accept-Encoding")
	text := one.plain
	if takesGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		text = one.gzipped
	}
	_, _ = w.Write(text) // a browser that is gone cannot be told
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" && strings.ReplaceAll(weight, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

func zipped(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	return b.Bytes()
}
