package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// A topic that is made anew under a claim is noticed by its id, before anything of
// it is read: a fetch by the id is refused, and ids are compared whenever leaders
// are looked up. Where the brokers know no ids, a topic that was seen to be missing
// is another one if the group's offset went with it. Then the claim begins anew, as
// source.kafka.onOffsetOutOfRange says.

// identify notes which topic is meant by the claim's name now. It begins anew where
// that is another one.
func (c *claim) identify(id topicID) {
	c.mu.Lock()
	was := c.id
	if id != (topicID{}) {
		c.id = id
	}
	c.mu.Unlock()
	if was.other(id) {
		c.forgetTopic()
	}
}

// forgetTopic notes that what was read, settled and committed is of a topic that is gone.
// What was handed out of it comes to rest as ever; nothing of it is committed any
// more.
func (c *claim) forgetTopic() {
	if c.gone {
		return
	}
	c.gone, c.notBefore = true, time.Time{}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost++
	c.end = -1
}

// seen notes that a topic was missing.
func (c *claim) seen(err error) {
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		c.absent = true
	}
}

// tried notes how an attempt went; one that failed is made again after a while.
func (c *claim) tried(err error) {
	if err == nil {
		if c.failed {
			c.failed = false
			c.wait.Reset()
		}
		return
	}
	c.failed = true
	c.hold(HoldReason(err), err)
	c.notBefore = time.Now().Add(c.wait.NextBackOff())
}

// reseat has claims begin anew whose topic is another than before. It returns
// those that can be fetched for.
func (f *fetcher) reseat(ctx context.Context, claims []*claim) []*claim {
	ready := make([]*claim, 0, len(claims))
	for _, c := range claims {
		err := f.replaced(ctx, c)
		again := err == nil && c.gone
		if again {
			err = f.outOfRange(ctx, c)
		}
		if err != nil {
			c.tried(err)
			continue
		}
		c.gone = false
		if !again { // else there may be room for nothing more
			ready = append(ready, c)
		}
	}
	return ready
}

// replaced finds out, where there is no id to tell by, whether a topic that was
// missing is another one.
func (f *fetcher) replaced(ctx context.Context, c *claim) error {
	if !c.absent || c.gone {
		return nil
	}
	c.mu.Lock()
	had := c.committed >= 0
	identified := c.id != topicID{}
	c.mu.Unlock()
	if had && !identified {
		at, err := f.committed(ctx, c.topicPartition)
		if err != nil {
			return err
		}
		if at.committed < 0 {
			c.forgetTopic()
		}
	}
	c.absent = false
	return nil
}

// compare looks whether the topics that were fetched from by their names are still
// those that the claims are of. A broker that knows ids and takes none in a fetch is
// of the versions 2.8 to 3.0.
func (f *fetcher) compare(ctx context.Context, claims []*claim) error {
	claims = slices.DeleteFunc(slices.Clone(claims), func(c *claim) bool { return c.id == topicID{} })
	if len(claims) == 0 {
		return nil
	}
	var tps []topicPartition
	for _, c := range claims {
		tps = append(tps, c.topicPartition)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	now, err := topicIDs(ctx, f.transport, f.addr, topicNames(tps))
	if err != nil {
		return err
	}
	for _, c := range claims {
		if now.ids[c.topic] != c.id {
			return errStale // leaders says what there is instead
		}
	}
	return nil
}

// unidentified tells of an answer that is about another topic than the one asked for, or
// about none.
func unidentified(code kafka.Error) bool {
	return errors.Is(code, unknownTopicID) || errors.Is(code, inconsistentTopicID)
}

// place finds where a claim goes on whose offset is not in the topic.
func (f *fetcher) place(ctx context.Context, c *claim) (int64, error) {
	if c.where != "" { // the group has none yet
		next, err := f.end(ctx, c.topicPartition, c.where)
		if err == nil {
			c.where = ""
		}
		return next, err
	}
	next, err := f.reset(ctx, c.topicPartition)
	if c.gone && errors.Is(err, ErrOutOfRange) {
		err = fmt.Errorf("%w: %w", ErrRemade, err)
	}
	return next, err
}
