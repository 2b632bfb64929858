package journal

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnEmptyJournalIsSaidToBeEmptyAndWhatToDo, whoever opens it.
func TestAnEmptyJournalIsSaidToBeEmptyAndWhatToDo(t *testing.T) {
	for text, said := range map[string]string{"": "the file is empty", fileHeader: "within its first line"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, writes := openFiles(dir, true, slog.New(slog.DiscardHandler))
		_, reads := openFilesRead(dir)
		for _, err := range []error{writes, reads} {
			if err == nil || !strings.Contains(err.Error(), said) || !strings.Contains(err.Error(), "control import") || strings.Contains(err.Error(), "EOF") {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}
