package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	left []*Letter // that were not written
	err  error     // of the hold
}

// produce writes letters of one partition in order. What is to be given back meanwhile is left:
// a withdrawal waits for one write, however many there are.
func (w *Writer) produce(ctx context.Context, partition int, run []*Letter) outcome {
	var left []*Letter
	for {
		wanted, gone := w.stillWanted(run)
		run, left = wanted, append(left, gone...)
		if len(run) == 0 {
			return outcome{left: left}
		}
		n := w.chunk(run)
		if n == 0 {
			return outcome{append(left, run...), ErrParkingFull}
		}
		n, base, err := w.produceSome(ctx, partition, run[:n])
		if err != nil {
			return outcome{append(left, run...), fmt.Errorf("write to the dead-letter topic: %w", err)}
		}
		for i, l := range run[:n] {
			w.opts.Parking.add(l, Place{partition, base + int64(i)})
			l.Done(true)
		}
		run = run[n:]
	}
}

// stillWanted parts letters into those to be written and those to be given back.
func (w *Writer) stillWanted(run []*Letter) (wanted, gone []*Letter) {
	w.mu.Lock()
	closing := w.closing
	w.mu.Unlock()
	if closing {
		return nil, run
	}
	if !slices.ContainsFunc(run, (*Letter).revoked) {
		return run, nil
	}
	return parted(run, (*Letter).revoked)
}

// chunk is how many of the letters go in one request: none where the first one's
// identity would have to be parked, and there is no room.
func (w *Writer) chunk(run []*Letter) int {
	n, bytes := 0, 0
	for n < len(run) && (n == 0 || bytes+run[n].size(whole) <= letterBatch) && !w.opts.Parking.full(run[n]) {
		bytes += run[n].size(whole)
		n++
	}
	return n
}

// produceSome writes as many of the letters as fit a request, at least one.
func (w *Writer) produceSome(ctx context.Context, partition int, run []*Letter) (n int, base int64, err error) {
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
func (w *Writer) produceLetter(ctx context.Context, partition int, l *Letter) (base int64, err error) {
	most := min(max(letterBytes, w.topic.takes), readBytes)
	if w.opts.Largest > 0 {
		most = min(most, w.opts.Largest-w.opts.Largest/32)
	}
	for out := whole; out <= noKey; out++ {
		if l.size(out) > most || out > whole && l.size(out) == l.size(out-1) {
			continue // it would be no smaller than what was refused
		}
		if w.topic.takes == 0 || l.size(out) <= w.topic.takes {
			if base, err = w.produceOnce(ctx, partition, []*Letter{l}, compress.None, out); !isTooLarge(err) {
				return base, err
			}
		}
		// The source batch may have been compressed, too. Gzip is what every
		// broker, of any version and make, takes.
		if base, err = w.produceOnce(ctx, partition, []*Letter{l}, compress.Gzip, out); !isTooLarge(err) {
			return base, err
		}
	}
	return 0, fmt.Errorf("even without value, headers and key: raise max.message.bytes of topic %s: %w", w.opts.Topic, err)
}

func isTooLarge(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}

func (w *Writer) produceOnce(ctx context.Context, partition int, run []*Letter, codec compress.Compression, out cut) (base int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	now := time.Now()
	records := make([]kafka.Record, len(run))
	for i, l := range run {
		records[i] = l.message(w.opts.Destination, w.opts.Group, now, w.opts.Parking != nil, out)
	}
	res, err := w.client.Produce(ctx, &kafka.ProduceRequest{
		Topic:        w.opts.Topic,
		Partition:    partition,
		RequiredAcks: kafka.RequireAll,
		Records:      kafka.NewRecordReader(records...),
		Compression:  codec,
	})
	if err == nil && res.Error == nil {
		return res.BaseOffset, nil
	}
	if err == nil {
		err = missingRight(res.Error, "WRITE", w.opts.Topic)
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
