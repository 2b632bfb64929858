package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

const (
	// letterBatch is below the default max.message.bytes of a broker, 1,048,588.
	letterBatch = 512 << 10
	// letterBytes is the largest letter that goes whole to a topic that does not
	// itself take more: compressed it may be small, but whoever reads the topic
	// has to hold it. It is what a fetch asks of a broker.
	letterBytes = 16 << 20
	// readBytes and readHeaders are a little less than what a reader keeps of a
	// message (consumer.maxRecord, consumer.maxHeaders): of a larger one it would not
	// know that it is a letter. Brokers hang up on requests of three times as much
	// (socket.request.max.bytes).
	readBytes   = 31 << 20
	readHeaders = 9_900
	// produceTimeout bounds how long a withdrawal waits for a write.
	produceTimeout = 7 * time.Second
)

// outcome is what became of letters of one partition.
type outcome struct {
	rest   []*letter // that were not written
	reason string    // of the hold
	err    error
}

// produce writes letters of one partition in order.
func (w *letters) produce(ctx context.Context, partition int, run []*letter) outcome {
	for len(run) > 0 {
		n := w.chunk(run)
		if n == 0 {
			return outcome{run, HoldParkingFull, errParkingFull}
		}
		n, base, err := w.produceSome(ctx, partition, run[:n])
		if err != nil {
			return outcome{run, HoldDeadLetterTopic, fmt.Errorf("write to the dead-letter topic: %w", err)}
		}
		for i, l := range run[:n] {
			w.parking.letter(l, Place{partition, base + int64(i)})
			l.done(DeadLettered)
		}
		run = run[n:]
	}
	return outcome{}
}

// chunk is how many of the letters go in one request: none where the first one's
// identity would have to be parked, and there is no room.
func (w *letters) chunk(run []*letter) int {
	n, bytes := 0, 0
	for n < len(run) && (n == 0 || bytes+run[n].size(whole) <= letterBatch) && !w.parking.full(run[n]) {
		bytes += run[n].size(whole)
		n++
	}
	return n
}

// produceSome writes as many of the letters as fit a request, at least one.
func (w *letters) produceSome(ctx context.Context, partition int, run []*letter) (n int, base int64, err error) {
	for n = len(run); n > 1; n /= 2 {
		if base, err = w.produceOnce(ctx, partition, run[:n], compress.None, whole); !isTooLarge(err) {
			return n, base, err
		}
	}
	base, err = w.produceLetter(ctx, partition, run[0])
	return 1, base, err
}

// produceLetter writes one letter of any size: whole if the topic takes it so, or
// compressed; else without its value, which stands in the source topic; in the end
// without anything but what happened to which message.
func (w *letters) produceLetter(ctx context.Context, partition int, l *letter) (base int64, err error) {
	most := min(max(letterBytes, w.topic.takes), readBytes)
	if largest := w.opts.DeadLetter.Largest; largest > 0 {
		most = min(most, largest-largest/32)
	}
	for out := whole; out <= noKey; out++ {
		if l.size(out) > most || out > whole && l.size(out) == l.size(out-1) {
			continue // it would be no smaller than what was refused
		}
		if w.topic.takes == 0 || l.size(out) <= w.topic.takes {
			if base, err = w.produceOnce(ctx, partition, []*letter{l}, compress.None, out); !isTooLarge(err) {
				return base, err
			}
		}
		// The source batch may have been compressed, too. Gzip is what every
		// broker, of any version and make, takes.
		if base, err = w.produceOnce(ctx, partition, []*letter{l}, compress.Gzip, out); !isTooLarge(err) {
			return base, err
		}
	}
	return 0, fmt.Errorf("even without value, headers and key: raise max.message.bytes of topic %s: %w", w.opts.DeadLetter.Topic, err)
}

func isTooLarge(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}

func (w *letters) produceOnce(ctx context.Context, partition int, run []*letter, codec compress.Compression, out cut) (base int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	now := time.Now()
	records := make([]kafka.Record, len(run))
	for i, l := range run {
		records[i] = l.message(w.opts.Destination, w.opts.Group, now, w.parking != nil, out)
	}
	res, err := w.client.Produce(ctx, &kafka.ProduceRequest{
		Topic:        w.opts.DeadLetter.Topic,
		Partition:    partition,
		RequiredAcks: kafka.RequireAll,
		Records:      kafka.NewRecordReader(records...),
		Compression:  codec,
	})
	if err == nil && res.Error == nil {
		return res.BaseOffset, nil
	}
	if err == nil {
		err = lacking(res.Error, "WRITE", w.opts.DeadLetter.Topic)
	}
	bytes := 0
	for _, l := range run {
		bytes += l.size(out)
	}
	more := ""
	if len(run) > 1 {
		more = fmt.Sprintf(" and %d more", len(run)-1)
	}
	return 0, fmt.Errorf("the letter of %s%s (about %d bytes): %w", run[0].place(), more, bytes, err)
}
