package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
)

// segmentHashBytes keeps ids short enough for transform.BackfillSegments of them
// beside an offset: two of 500 have the same hash once in 9 million destinations.
const segmentHashBytes = 5

// knownSegments is which activated segments have been exported since they were added, or
// from the beginning. It is kept beside one offset: that of the first partition.
type knownSegments struct {
	checkpoints *consumer.Checkpoints
	keeper      bool // this process keeps it
	begun       bool // something is kept
	first       bool // nothing was kept: what is activated now counts as exported
	at          consumer.Checkpoint
	segments    map[segmentHash]bool
}

// knownPrefix names the format of the note: the hashes one after the other, as base64.
const knownPrefix = "segments1:"

type segmentHash [segmentHashBytes]byte

func hashSegment(id string) segmentHash {
	sum := sha256.Sum256([]byte(id))
	return segmentHash(sum[:segmentHashBytes])
}

func writeKnown(segments map[segmentHash]bool) string {
	var all []byte
	for _, hash := range slices.SortedFunc(maps.Keys(segments), func(a, b segmentHash) int { return bytes.Compare(a[:], b[:]) }) {
		all = append(all, hash[:]...)
	}
	return knownPrefix + base64.RawStdEncoding.EncodeToString(all)
}

func parseKnown(note string) (map[segmentHash]bool, error) {
	text, ok := strings.CutPrefix(note, knownPrefix)
	all, err := base64.RawStdEncoding.DecodeString(text)
	if !ok || err != nil || len(all)%segmentHashBytes != 0 {
		return nil, resend.ErrForeignCheckpoint
	}
	segments := map[segmentHash]bool{}
	for hash := range slices.Chunk(all, segmentHashBytes) {
		segments[segmentHash(hash)] = true
	}
	return segments, nil
}

// segmentsHash names a set of segments.
func segmentsHash(ids []string) string {
	sorted := slices.Sorted(slices.Values(ids))
	sum := sha256.Sum256([]byte(strings.Join(sorted, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// known reads what is kept.
func (b *Backfill) known(ctx context.Context) (*knownSegments, error) {
	checkpoints, err := b.History.Checkpoints(ctx, b.group)
	if err != nil {
		return nil, err
	}
	k := &knownSegments{checkpoints: checkpoints, segments: map[segmentHash]bool{}}
	if all := checkpoints.All(); len(all) > 0 {
		k.at, k.begun = all[0], true
		if k.segments, err = parseKnown(k.at.Note); err != nil {
			return nil, fmt.Errorf("group %s: %w", b.group, err)
		}
	} else {
		parts, err := b.History.Partitions(ctx)
		if err != nil {
			return nil, err
		}
		if len(parts) > 0 {
			k.at = consumer.Checkpoint{Topic: parts[0].Topic, Partition: parts[0].Partition}
		}
	}
	k.keeper = slices.ContainsFunc(b.o.Stats().Partitions, func(p consumer.PartitionStats) bool {
		return p.Topic == k.at.Topic && p.Partition == k.at.Partition
	})
	return k, nil
}

// missing are the activated segments that are new. For a destination that is seen
// for the first time none is: it exports their members as their events come. Unless
// firstAreNew: a flow of the control plane is made without segments, which are activated
// a moment later, maybe before any process has seen it. A segment that is no longer
// activated is forgotten, and new when it comes back.
func (k *knownSegments) missing(ctx context.Context, rules *rules.Ruleset, firstAreNew bool) ([]string, error) {
	switch {
	case k.begun:
	case !firstAreNew:
		k.first = true
		return nil, k.add(ctx, rules)
	case !k.keeper:
		return nil, errBackfillChanged // the keeper notes first that nothing is known
	default:
		if err := k.keep(ctx, nil); err != nil {
			return nil, err
		}
	}
	var missing []string
	stay := map[segmentHash]bool{}
	for _, s := range rules.Activation.Segments {
		if hash := hashSegment(s.ID); k.segments[hash] {
			stay[hash] = true
		} else {
			missing = append(missing, s.ID)
		}
	}
	if len(stay) < len(k.segments) || len(missing) == 0 {
		return missing, k.keep(ctx, stay)
	}
	return missing, nil
}

// add has all activated segments known.
func (k *knownSegments) add(ctx context.Context, rules *rules.Ruleset) error {
	all := map[segmentHash]bool{}
	for _, s := range rules.Activation.Segments {
		all[hashSegment(s.ID)] = true
	}
	return k.keep(ctx, all)
}

// keep has Kafka remember what is known, if that is this process's to do.
func (k *knownSegments) keep(ctx context.Context, segments map[segmentHash]bool) error {
	if !k.keeper {
		return nil
	}
	if note := writeKnown(segments); note != k.at.Note {
		k.at.Note = note
		k.at.Next++
	}
	if err := k.checkpoints.Commit(ctx, k.at); err != nil {
		return fmt.Errorf("keep which segments are known: %w", err)
	}
	return nil
}
