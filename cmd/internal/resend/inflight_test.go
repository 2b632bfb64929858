package resend

import (
	"context"
	"errors"
	"testing"
)

// A backfill that is held up waits for what is in flight, gives up, and tries
// again: what comes to rest amid that must not end the process.
func TestAWaitThatWasGivenUpIsBegunAgain(t *testing.T) {
	var f InFlight
	taken := func() error { return nil }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 1000 {
		if err := f.Give(taken); err != nil {
			t.Fatal(err)
		}
		if err := f.WaitIdle(ended); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		rested := make(chan struct{})
		go func() { f.Done(); close(rested) }()
		if err := f.WaitIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-rested
	}
	refused := errors.New("refused")
	if err := f.Give(func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	if err := f.WaitIdle(ended); err != nil {
		t.Errorf("what was refused is waited for: %v", err)
	}
}
