package consumer

import (
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	// followFor is how long a follower that the leader named is fetched from before
	// the leader is asked again: another may be nearer by then. It is as long as
	// Kafka's own consumer keeps its metadata (metadata.max.age.ms).
	followFor = 5 * time.Minute
	// followRest is how long the leader serves after a follower failed: it would
	// name the same one until it has noticed.
	followRest = 10 * time.Second
)

// source is the broker to fetch from: the follower that the leader named
// (KIP-392), while it is one and for a while; else the leader.
func (c *claim) source(p kafka.Partition, now time.Time) int {
	replica := slices.ContainsFunc(p.Replicas, func(b kafka.Broker) bool { return b.ID == c.follower })
	if c.follower >= 0 && replica && now.Before(c.followUntil) {
		return c.follower
	}
	c.follower = -1
	return p.Leader.ID
}

// follow turns to the replica that the leader named; it reports whether that is
// a change.
func (c *claim) follow(node int, now time.Time) bool {
	changed := c.follower != node
	c.follower, c.followUntil = node, now.Add(followFor)
	return changed
}

// unfollow turns to the leader for a while.
func (c *claim) unfollow() {
	c.follower, c.leaderUntil = -1, time.Now().Add(followRest)
}

// leaveFollowers turns claims that are fetched from a follower to their leaders;
// it reports whether there were any.
func (f *fetcher) leaveFollowers(node int, claims []*claim) bool {
	left := false
	for _, c := range claims {
		if c.follower == node {
			c.unfollow()
			left = true
		}
	}
	return left
}

// followedLongEnough tells when a claim's leader is to be asked again.
func followedLongEnough(claims []*claim, now time.Time) bool {
	return slices.ContainsFunc(claims, func(c *claim) bool { return c.follower >= 0 && now.After(c.followUntil) })
}
