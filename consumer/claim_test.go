package consumer

import (
	"testing"
	"testing/synctest"
)

func TestWhatIsBegunBesideTheHandlerIsAwaitedAndNothingMoreBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newClaim(t.Context(), topicPartition{"t", 0}, position{})
		c := Claim{cl}
		if !c.Begin() {
			t.Fatal("nothing may begin under a claim that goes on")
		}
		cl.stopWork()
		if c.Begin() {
			t.Error("something begins under a claim that is ending")
		}
		rested := make(chan struct{})
		go func() {
			cl.waitIdle(t.Context())
			close(rested)
		}()
		synctest.Wait()
		select {
		case <-rested:
			t.Error("the claim is at rest while something is under way")
		default:
		}
		c.End()
		<-rested
	})
}
