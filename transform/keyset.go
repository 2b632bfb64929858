package transform

import "sync"

// keySet tells whether a map's key was there before. Few keys are compared with each other, many go into a table.
type keySet struct {
	n     int
	few   [12]string
	table map[string]struct{} // borrowed from tables; nil while few are enough
}

var tables = sync.Pool{New: func() any { return map[string]struct{}{} }}

// add says whether the key is new. The key is a view: the set must not outlive the event.
func (s *keySet) add(key string) bool {
	if s.table == nil && s.n < len(s.few) {
		for i := range s.n {
			if s.few[i] == key {
				return false
			}
		}
		s.few[s.n] = key
		s.n++
		return true
	}
	if s.table == nil {
		s.table = tables.Get().(map[string]struct{})
		for _, other := range s.few {
			s.table[other] = struct{}{}
		}
	}
	before := len(s.table)
	s.table[key] = struct{}{}
	return len(s.table) > before
}

// reset empties the set for the next map.
func (s *keySet) reset() {
	s.n = 0
	s.free()
}

// free gives the table back.
func (s *keySet) free() {
	if s.table != nil {
		clear(s.table)
		tables.Put(s.table)
		s.table = nil
	}
}
