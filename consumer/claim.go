package consumer

// Claim is the right to work on one partition, for what is sent of it beside the
// handler. It ends as that of the handler's messages does: what was begun under it
// is awaited, or withdrawn, before the next owner may begin.
type Claim struct{ claim *claim }

// Claim is that of a partition, if this member has it.
func (c *Consumer) Claim(topic string, partition int) (Claim, bool) {
	for _, cl := range c.held() {
		if cl.topicPartition == (topicPartition{topic, partition}) {
			return Claim{cl}, !cl.stopped()
		}
	}
	return Claim{}, false
}

// Revoked is closed when the claim has ended.
func (c Claim) Revoked() <-chan struct{} { return c.claim.ctx.Done() }

// Begin notes one more record that is under way; false: the claim is ending, and
// it must not be sent. End follows once it is at rest, or withdrawn.
func (c Claim) Begin() bool {
	c.claim.mu.Lock()
	defer c.claim.mu.Unlock()
	if c.claim.stopped() {
		return false
	}
	c.claim.pending++
	return true
}

// End tells that what Begin noted is under way no more.
func (c Claim) End() {
	c.claim.mu.Lock()
	c.claim.pending--
	c.claim.mu.Unlock()
	c.claim.signal()
}
