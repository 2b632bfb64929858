package consumer

import (
	"context"
	"errors"
	"slices"
	"time"
)

// revoke brings to rest what is held and no longer assigned, while the other
// claims go on, commits it, and has the group joined again: only that tells the
// next owner that it may begin. It stops where everything is to be given up.
func (m *membership) revoke(g *generation) {
	gone := slices.DeleteFunc(m.held(), func(cl *claim) bool { return slices.Contains(g.partitions, cl.topicPartition) })
	if len(gone) == 0 {
		return
	}
	m.drain(m.running, gone, false)
	err := m.lastCommit(m.running, gone, lastCommitTimeout)
	if outOfGroup(err) {
		m.evict(err)
	}
	if m.running.Err() != nil {
		return
	}
	m.warnUncommitted(err)
	m.mu.Lock()
	m.claims = slices.DeleteFunc(m.claims, func(cl *claim) bool { return slices.Contains(gone, cl) })
	m.mu.Unlock()
	m.fetcher.drop(gone)
	m.opts.Logger.Info("partitions given back", "group", m.cfg.Group, "generation", g.id, "partitions", len(gone))
	m.signal(g.id)
}

// drain ends claims and waits until nothing of theirs is under way, or ctx ends. On
// a drain what was handed out is given time to be delivered; otherwise, and after
// that time, what is not sent yet is withdrawn. What is in flight is awaited in
// any case: the next owner must not start before it has settled.
func (m *membership) drain(ctx context.Context, claims []*claim, drain bool) {
	for _, cl := range claims {
		cl.stopWork()
	}
	if drain {
		limited, cancel := context.WithTimeout(ctx, m.opts.DrainTimeout)
		stop := context.AfterFunc(limited, func() { revoke(claims) }) // frees a worker whose handler blocks
		for _, cl := range claims {
			<-cl.worked
			cl.waitIdle(limited)
		}
		stop()
		cancel()
	}
	revoke(claims)
	m.opts.OnRevoke()
	for _, cl := range claims {
		<-cl.worked
		cl.discard() // the others find room for theirs, however long the rest takes
		cl.waitIdle(ctx)
	}
}

func revoke(claims []*claim) {
	for _, cl := range claims {
		cl.revoke()
	}
}

// finish commits what has settled, unless this process is no longer a member.
func (m *membership) finish(ctx context.Context, why error, drained bool) {
	m.forget(why)
	if !errors.Is(why, errEvicted) {
		limit := lastCommitTimeout
		if drained {
			limit = drainedCommitTimeout
		}
		err := m.lastCommit(ctx, m.held(), limit)
		m.warnUncommitted(err)
		m.forget(err)
	}
	m.mu.Lock()
	gone := m.claims
	m.claims, m.active = nil, false
	m.mu.Unlock()
	m.fetcher.drop(gone)
	g, _ := m.current()
	said := []any{"group", m.cfg.Group, "generation", g.id, "partitions", len(gone)}
	if why != nil && !errors.Is(why, context.Canceled) { // that is no error: the process was told to stop
		said = append(said, "error", why)
	}
	m.opts.Logger.Info("all partitions given back", said...)
}

func (m *membership) warnUncommitted(err error) {
	if err != nil {
		m.opts.Logger.Warn("last offsets of the assignment could not be committed; what they cover is read again", "error", err)
	}
}

// lastCommit commits, trying again what settles soon: what is not committed is
// exported again by the next owner.
func (m *membership) lastCommit(ctx context.Context, claims []*claim, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	wait := newBackoff()
	for {
		g, _ := m.current()
		err := m.commit(ctx, claims)
		if err == nil || outOfGroup(err) && !m.overtaken(g, err) {
			return err
		}
		pause(ctx, wait.NextBackOff())
		if ctx.Err() != nil {
			return err
		}
	}
}

// How long the commit at the end of claims may take: the group waits for this
// member (within its rebalance timeout), or a process that was told to end does.
const (
	lastCommitTimeout    = 20 * time.Second
	drainedCommitTimeout = 2 * time.Second
)
