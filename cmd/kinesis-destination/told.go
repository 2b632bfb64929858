package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/cmd/internal/control/status"
)

// statusWait is how long a process waits, when it starts, for what others have told of
// their flows; it starts without, then.
const statusWait = 10 * time.Second

// board opens what processes tell of their flows: a topic beside the journal's, or a
// file in its folder.
func (o *planeOptions) board(ctx context.Context, list sources.List, log *slog.Logger) (*status.Board, error) {
	host, err := os.Hostname()
	if err != nil {
		log.Warn("this process is shown without a host", "error", err)
	}
	v, _, _ := buildInfo()
	options := status.Options{Logger: log, Process: rand.Text(), Host: host, Version: v}
	var b *status.Board
	if o.store == "" {
		k := o.kafka(list)
		k.Topic = cmp.Or(o.statusTopic, statusTopicOf(o.topic))
		b = status.OpenKafka(ctx, k, options)
	} else if b, err = status.OpenFiles(ctx, o.store, options); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	if err := b.Await(bounded); err != nil && ctx.Err() == nil {
		log.Warn("it is not known yet what flows do", "error", err)
	}
	return b, nil
}

// statusTopicOf is where processes tell of the flows of a journal, if nobody names
// another: two control planes on one cluster must not take one another for their own.
func statusTopicOf(journalTopic string) string {
	return strings.TrimSuffix(journalTopic, ".control") + ".status"
}

// begin has a process tell what it does, as one of the journal's store. Where the journal
// is another one than others have told of, it does not: its successor has to notice, too.
func begin(b *status.Board, store *journal.Store) {
	if s := store.Status(); !s.Stopped && s.Store != "" {
		b.Begin(s.Store)
	}
}

func closeBoard(b *status.Board, log *slog.Logger) {
	if err := b.Close(); err != nil {
		log.Warn("what this process did last may not be told", "error", err)
	}
}
