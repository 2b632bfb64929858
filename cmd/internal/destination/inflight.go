package destination

import (
	"context"
	"sync"
)

// inFlight counts what a sink was given and has not told of.
type inFlight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0 again; nil: nobody waits
}

// give gives the sink one more; an error says that it did not take it.
func (f *inFlight) give(put func() error) error {
	f.mu.Lock()
	f.n++
	f.mu.Unlock()
	err := put()
	if err != nil {
		f.done()
	}
	return err
}

// done takes one away that the sink has told of.
func (f *inFlight) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n--
	if f.n == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

// waitIdle waits until nothing is in flight. A wait that ctx has ended can be
// begun again.
func (f *inFlight) waitIdle(ctx context.Context) error {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
