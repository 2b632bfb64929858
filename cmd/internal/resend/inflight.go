package resend

import (
	"context"
	"errors"
	"sync"

	"kinesis-destination/consumer"
)

// InFlight counts what a sink was given and has not told of.
type InFlight struct {
	claim *consumer.Claim // under which it is sent; nil: none is needed

	mu        sync.Mutex
	n         int
	idle      chan struct{} // closed when n is 0 again; nil: nobody waits
	withdrawn bool          // something came back unsent
}

// ErrClaimEnded says that the partition is being given up.
var ErrClaimEnded = errors.New("the partition is being given up")

// Give gives the sink one more; an error says that it did not take it.
func (f *InFlight) Give(put func() error) error {
	if f.claim != nil && !f.claim.Begin() {
		return ErrClaimEnded
	}
	f.mu.Lock()
	f.n++
	f.mu.Unlock()
	err := put()
	if err != nil {
		f.Done()
	}
	return err
}

// Done takes one away that the sink has told of.
func (f *InFlight) Done() {
	if f.claim != nil {
		defer f.claim.End()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n--
	if f.n == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

// withdraw takes one away that the sink gave back unsent.
func (f *InFlight) withdraw() {
	f.mu.Lock()
	f.withdrawn = true
	f.mu.Unlock()
	f.Done()
}

// revoked is closed when nothing more may be sent; nil: that does not happen.
func (f *InFlight) revoked() <-chan struct{} {
	if f.claim == nil {
		return nil
	}
	return f.claim.Revoked()
}

// WaitIdle waits until nothing is in flight. A wait that ctx has ended can be
// begun again. An error says that not everything is at rest.
func (f *InFlight) WaitIdle(ctx context.Context) error {
	for {
		f.mu.Lock()
		n, withdrawn := f.n, f.withdrawn
		if n > 0 && f.idle == nil {
			f.idle = make(chan struct{})
		}
		idle := f.idle
		f.mu.Unlock()
		switch {
		case n == 0 && withdrawn:
			return ErrClaimEnded
		case n == 0:
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
