package web

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// htmx is vendored as it was published: whoever changes it says so here.
func TestTheVendoredScriptIsTheOneThatWasPublished(t *testing.T) {
	text, err := staticFiles.ReadFile("static/htmx.min.js")
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != htmxSum {
		t.Errorf("htmx.min.js has another sum: %x", sum)
	}
}
