package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A row that finds nothing to change is one that nobody runs until somebody runs all.
func TestEachMutationFindsWhatItChanges(t *testing.T) {
	for _, m := range every {
		text, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Error(err)
			continue
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: what it changes stands %d times in %s", m.invariant, n, m.file)
		}
	}
}
