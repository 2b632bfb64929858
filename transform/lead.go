package transform

import "kinesis-destination/schemas"

// lead is what is on the way to a value: the key of a field, or the keys of records that hold a record and nothing
// else. It waits until there is a value: most that are on the way to nothing are never written.
type lead struct {
	name   string
	opened bool          // an earlier field of its record was written
	outer  *schemas.Type // the outmost of the records; nil for a field
}

// leadStack is the keys on the way to the value that is looked at, of which nothing is written yet.
type leadStack struct{ list []lead }

// lead goes into a field, or several.
func (w *writer) lead(l lead) {
	if w.leads == nil {
		w.leads = &leadStack{}
	}
	w.leads.list = append(w.leads.list, l)
}

// depth is how many leads wait.
func (w *writer) depth() int {
	if w.leads == nil {
		return 0
	}
	return len(w.leads.list)
}

// retreat gives up all leads but n: there was no value.
func (w *writer) retreat(n int) {
	if w.leads != nil {
		w.leads.list = w.leads.list[:n]
	}
}

// flush writes what leads to a value, as there is one.
func (w *writer) flush() {
	if w.depth() == 0 {
		return
	}
	for _, l := range w.leads.list {
		if l.outer == nil {
			w.lay(l.name, l.opened)
			continue
		}
		inmost, _ := l.outer.Inmost()
		for t := l.outer; t != inmost; {
			field := &t.Fields[t.Solid()[0]]
			w.lay(field.Name, false)
			t = field.Type
		}
	}
	w.retreat(0)
}

func (w *writer) lay(name string, opened bool) {
	if !opened {
		w.dst = append(w.dst, '{')
	}
	w.key(name)
}
