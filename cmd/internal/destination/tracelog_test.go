package destination

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"google.golang.org/grpc/grpclog"
)

func TestWhatTracingSaysOfItselfIsALineOfTheProcessesLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	library := logr.FromSlogHandler(quieter{log.Handler()})
	library.Error(nil, "an error")
	library.V(1).Info("a warning")
	library.V(4).Info("an information")
	var grpc grpclog.LoggerV2 = grpcLogger{log}
	grpc.Errorln("broken", "pipe")
	grpc.Warning("a retry")
	grpc.Infof("a %s", "call")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, words := range []string{"an error", "a warning", `text="broken pipe"`} {
		if !strings.Contains(lines[i], "level=WARN") || !strings.Contains(lines[i], words) {
			t.Errorf("%s, want a warning with %s", lines[i], words)
		}
	}
}
