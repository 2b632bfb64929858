package consumer

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refuseSync answers the next SyncGroup with a code and, as brokers do, without
// an assignment.
func (w *world) refuseSync(code *kerr.Error) {
	w.kafka.ControlKey(int16(kmsg.SyncGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		answer := r.ResponseKind().(*kmsg.SyncGroupResponse)
		answer.ErrorCode = code.Code
		return answer, nil, true
	})
}

func TestAJoinThatAnotherOneOvertookIsNoHold(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.RebalanceInProgress, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.NotCoordinator} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			w.produce(0, 0, 10)
			w.refuseSync(code)
			m := w.member(Options{}, settle)
			pass(3 * time.Minute) // a member that is forgotten is waited for
			m.stop(t)
			if got := m.values(); !slices.Equal(got, values(0, 0, 10)) {
				t.Errorf("%v: handed out %v", code, got)
			}
			if held := m.reasons(); len(held) > 0 {
				t.Errorf("%v is a hold: %v", code, held)
			}
		})
	}
}

func TestAProcessThatIsFencedAmidAJoinEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.GroupInstanceID = "i"
		w.refuseSync(kerr.FencedInstanceID)
		m := w.member(Options{}, settle)
		pass(time.Minute)
		m.cancel()
		if err := <-m.done; !errors.Is(err, ErrFenced) {
			t.Errorf("ended with %v", err)
		}
	})
}
