package transform

import "errors"

// ErrEnded says that the walk over an event ended before the event did, as Source.Done had been closed: nothing is
// known of the event.
var ErrEnded = errors.New("the walk over the event was ended")

// stepsPerLook is how many steps of a walk lie between two looks at whether it is to end. A step is an item, an entry
// or a field: some tens of nanoseconds as a rule, so a look comes every few tenths of a millisecond and costs nothing
// that can be measured.
const stepsPerLook = 4096

// watch counts the steps of a walk, and notices when it is to end.
type watch struct {
	done  <-chan struct{} // nil: it never is
	steps int             // since the last look
	over  bool
}

// ended counts n steps, and says whether they are the last.
func (w *watch) ended(n int) bool {
	if w.steps += n; w.steps >= stepsPerLook {
		w.check()
	}
	return w.over
}

func (w *watch) check() {
	w.steps = 0
	select {
	case <-w.done:
		w.over = true
	default:
	}
}
