package config

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long files must be left alone before they are read again:
// editors and Kubernetes change them in several steps.
const settleTime = 200 * time.Millisecond

// Watch sends on the returned channel, for Options.Reload, when a file that the
// configurations are read from has changed, and when hangup does. It ends with
// ctx, and then closes stopped. Where files cannot be watched, hangup remains.
func Watch(ctx context.Context, configs []Config, hangup <-chan os.Signal, log *slog.Logger) (reload <-chan struct{}, stopped <-chan struct{}) {
	changes, done := make(chan struct{}, 1), make(chan struct{})
	w := &watcher{log: log, targets: map[string]string{}}
	for i := range configs {
		w.configs = append(w.configs, configs[i].origin.file)
	}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		log.Warn("configuration files are not watched; SIGHUP has them read again", "error", err)
	} else {
		w.check()
	}
	go func() {
		defer close(done)
		w.run(ctx, hangup, changes)
	}()
	return changes, done
}

// watcher watches folders, not files: an editor puts a new file in the old one's
// place, and Kubernetes swaps a symbolic link on the way to it.
type watcher struct {
	log     *slog.Logger
	configs []string
	notify  *fsnotify.Watcher // nil: files cannot be watched
	targets map[string]string // file → where its symbolic links lead
}

func (w *watcher) run(ctx context.Context, hangup <-chan os.Signal, changes chan<- struct{}) {
	var events chan fsnotify.Event
	var failures chan error
	if w.notify != nil {
		defer func() { _ = w.notify.Close() }() // nothing is written, so nothing is lost
		events, failures = w.notify.Events, w.notify.Errors
	}
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			quiet.Reset(0)
		case err := <-failures:
			w.log.Warn("a change of the configuration may have been missed; SIGHUP has it read again", "error", err)
		case event := <-events:
			if w.concerns(event) {
				quiet.Reset(settleTime)
			}
		case <-quiet.C:
			w.check()
			select {
			case changes <- struct{}{}:
			default: // one is waiting to be taken already, and will see this change too
			}
		}
	}
}

// concerns tells whether an event in a watched folder is about one of the files.
func (w *watcher) concerns(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	name := filepath.Clean(event.Name)
	for file, target := range w.targets {
		if name == file || realPath(file) != target {
			return true
		}
	}
	return false
}

// check finds out anew which files the configurations are read from, and watches
// their folders.
func (w *watcher) check() {
	if w.notify == nil {
		return
	}
	clear(w.targets)
	for _, file := range w.configs {
		config, _ := Load(file) // with mistakes, too, it tells what it read
		for _, read := range append(config.origin.reads, file) {
			read = filepath.Clean(read)
			w.targets[read] = realPath(read)
			if err := w.notify.Add(filepath.Dir(read)); err != nil {
				w.log.Warn("a folder of the configuration cannot be watched; SIGHUP has it read again", "folder", filepath.Dir(read), "error", err)
			}
		}
	}
}

// realPath is where a file is once symbolic links are followed; empty when it is nowhere.
func realPath(file string) string {
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return ""
	}
	return target
}
