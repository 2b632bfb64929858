package resend

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"time"
	"unicode"

	"kinesis-destination/consumer"
)

// Operation is what a person had done to a destination: a replay, a redrive or a drop.
type Operation struct {
	What   string    `json:"what"`
	By     string    `json:"by"`
	At     time.Time `json:"at"` // when it began
	ID     string    `json:"id,omitempty"`
	Events int64     `json:"events,omitempty"` // that were chosen
}

const (
	// MostBy is how many bytes the name of who does something has at most.
	MostBy = 100
	// mostOperations are kept, and no more than fit: consumer.Checkpoint.Note takes 4,000 bytes.
	mostOperations = 12
	mostNote       = 3900
	// noteTries is how often a note is written anew when another process wrote one meanwhile.
	noteTries = 3
)

// ErrBy says what is no name of who does something.
var ErrBy = errors.New("must be at most 100 bytes, without control characters")

// CheckBy judges the name of who does something.
func CheckBy(by string) error {
	if len(by) > MostBy || strings.ContainsFunc(by, unicode.IsControl) {
		return ErrBy
	}
	return nil
}

// ThisUser is user@host, as the operating system knows them.
func ThisUser() string {
	name := "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	by := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, name+"@"+host)
	return strings.ToValidUTF8(by[:min(len(by), MostBy)], "")
}

// OperationsGroup is the group beside whose one offset the last operations are kept.
func OperationsGroup(sourceGroup string) string { return sourceGroup + ".operations" }

// NoteOperation keeps who does what, and logs it. What cannot be kept is logged all the
// same, and ends nothing: an operator with a narrow right must not be kept from helping.
func NoteOperation(ctx context.Context, cfg consumer.Config, o Operation, log *slog.Logger) {
	if o.By == "" {
		return
	}
	o.At = time.Now().UTC().Truncate(time.Second)
	log.Info("an operation begins", "what", o.What, "by", o.By, "id", o.ID, "events", o.Events)
	history, err := consumer.NewHistory(cfg, nil)
	if err == nil {
		defer history.Close()
		for range noteTries {
			if err = keepOperation(ctx, history, cfg.Group, o); !errors.Is(err, consumer.ErrMoved) {
				break
			}
		}
	}
	if err != nil {
		log.Warn("who did this could not be kept in Kafka", "what", o.What, "by", o.By, "group", OperationsGroup(cfg.Group), "error", err)
	}
}

func keepOperation(ctx context.Context, history *consumer.History, group string, o Operation) error {
	kept, at, checkpoints, err := operations(ctx, history, group)
	if err != nil || at == nil {
		return err
	}
	kept = append(kept, o)
	kept = kept[max(0, len(kept)-mostOperations):]
	note, err := json.Marshal(kept)
	for ; err == nil && len(note) > mostNote; note, err = json.Marshal(kept) {
		kept = kept[1:]
	}
	if err != nil {
		return err
	}
	at.Next, at.Note = at.Next+1, string(note)
	return checkpoints.Commit(ctx, *at)
}

// Operations are the last operations of a destination, the oldest first, how many there
// were in all, and what has Kafka keep them for longer.
func Operations(ctx context.Context, history *consumer.History, group string) (kept []Operation, count int64, keep func(context.Context) error, err error) {
	kept, at, checkpoints, err := operations(ctx, history, group)
	if err != nil || at == nil {
		return nil, 0, nil, err
	}
	return kept, at.Next, func(ctx context.Context) error { return checkpoints.Commit(ctx, checkpoints.All()...) }, nil
}

// operations reads the note; at is where it is kept, or is to be.
func operations(ctx context.Context, history *consumer.History, group string) (kept []Operation, at *consumer.Checkpoint, checkpoints *consumer.Checkpoints, err error) {
	if checkpoints, err = history.Checkpoints(ctx, OperationsGroup(group)); err != nil {
		return nil, nil, nil, err
	}
	if all := checkpoints.All(); len(all) > 0 {
		if json.Unmarshal([]byte(all[0].Note), &kept) != nil {
			kept = nil // somebody set the group's offsets: it begins anew
		}
		return kept, &all[0], checkpoints, nil
	}
	parts, err := history.Partitions(ctx)
	if err != nil || len(parts) == 0 {
		return nil, nil, nil, err
	}
	return nil, &consumer.Checkpoint{Topic: parts[0].Topic, Partition: parts[0].Partition}, checkpoints, nil
}
