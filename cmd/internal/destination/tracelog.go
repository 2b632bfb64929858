package destination

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"google.golang.org/grpc/grpclog"
)

// logTracing has what OpenTelemetry and gRPC say of themselves come as lines of the
// process's log, where they would write to standard error in forms of their own.
func logTracing(log *slog.Logger) {
	otel.SetLogger(logr.FromSlogHandler(quieter{log.With("library", "opentelemetry").Handler()}))
	grpclog.SetLoggerV2(grpcLogger{log.With("library", "grpc")})
}

// quieter has what a library informs about be of the level debug.
type quieter struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quieter) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, quiet(level))
}

// Handle implements slog.Handler.
func (q quieter) Handle(ctx context.Context, r slog.Record) error {
	r.Level = quiet(r.Level)
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieter{q.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (q quieter) WithGroup(name string) slog.Handler { return quieter{q.Handler.WithGroup(name)} }

// quiet is the level that a library's line has here: no span that is lost is an
// error of the pipeline. OpenTelemetry logs warnings one level below info.
func quiet(level slog.Level) slog.Level {
	switch {
	case level >= slog.LevelError:
		return slog.LevelWarn
	case level == slog.LevelInfo-1:
		return slog.LevelWarn
	}
	return min(level, slog.LevelDebug)
}

// grpcLogger implements grpclog.LoggerV2. gRPC tries again by itself, so nothing of
// it is an error of the pipeline; what it informs about would be a line a call.
type grpcLogger struct{ log *slog.Logger }

func (l grpcLogger) say(level slog.Level, text string) {
	l.log.Log(context.Background(), level, "a library says something", "text", strings.TrimSpace(text))
}

// Info implements grpclog.LoggerV2.
func (l grpcLogger) Info(args ...any) { l.say(slog.LevelDebug, fmt.Sprint(args...)) }

// Infoln implements grpclog.LoggerV2.
func (l grpcLogger) Infoln(args ...any) { l.say(slog.LevelDebug, fmt.Sprintln(args...)) }

// Infof implements grpclog.LoggerV2.
func (l grpcLogger) Infof(format string, args ...any) {
	l.say(slog.LevelDebug, fmt.Sprintf(format, args...))
}

// Warning implements grpclog.LoggerV2.
func (l grpcLogger) Warning(args ...any) { l.say(slog.LevelDebug, fmt.Sprint(args...)) }

// Warningln implements grpclog.LoggerV2.
func (l grpcLogger) Warningln(args ...any) { l.say(slog.LevelDebug, fmt.Sprintln(args...)) }

// Warningf implements grpclog.LoggerV2.
func (l grpcLogger) Warningf(format string, args ...any) {
	l.say(slog.LevelDebug, fmt.Sprintf(format, args...))
}

// Error implements grpclog.LoggerV2.
func (l grpcLogger) Error(args ...any) { l.say(slog.LevelWarn, fmt.Sprint(args...)) }

// Errorln implements grpclog.LoggerV2.
func (l grpcLogger) Errorln(args ...any) { l.say(slog.LevelWarn, fmt.Sprintln(args...)) }

// Errorf implements grpclog.LoggerV2.
func (l grpcLogger) Errorf(format string, args ...any) {
	l.say(slog.LevelWarn, fmt.Sprintf(format, args...))
}

// Fatal implements grpclog.LoggerV2, which wants the process to end.
func (l grpcLogger) Fatal(args ...any) { l.fatal(fmt.Sprint(args...)) }

// Fatalln implements grpclog.LoggerV2.
func (l grpcLogger) Fatalln(args ...any) { l.fatal(fmt.Sprintln(args...)) }

// Fatalf implements grpclog.LoggerV2.
func (l grpcLogger) Fatalf(format string, args ...any) { l.fatal(fmt.Sprintf(format, args...)) }

func (l grpcLogger) fatal(text string) {
	l.say(slog.LevelError, text)
	os.Exit(1)
}

// V implements grpclog.LoggerV2.
func (l grpcLogger) V(int) bool { return l.log.Enabled(context.Background(), slog.LevelDebug) }
