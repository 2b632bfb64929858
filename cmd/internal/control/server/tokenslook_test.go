package server

import "time"

// LookAgain has the next request look at the file, as a second later.
func (t *Tokens) LookAgain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked = time.Time{}
}
