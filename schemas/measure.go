package schemas

import (
	"fmt"
	"unsafe"
)

// measure finds out what is to be known of every type before a value of it is read: its fewest bytes, whether it has
// any, how deep it nests and how long its paths are. Inner types come first. What is reached through the type itself
// counts as nothing there, which can only make the figures too small; a fewest too small only checks less early.
func (p *parser) measure() error {
	for range 2 { // the second round sees what the first found behind a forward reference
		for _, t := range p.all {
			switch t.Kind {
			case Record:
				t.minSize = 0
				for _, field := range t.Fields {
					t.minSize = min(t.minSize+field.Type.minSize, maxFixedSize)
				}
			case Union:
				t.minSize = maxFixedSize
				for _, branch := range t.Union {
					t.minSize = min(t.minSize, 1+branch.minSize)
				}
			}
		}
	}
	for _, t := range p.all {
		t.weigh()
		if t.height > maxSchemaDepth {
			return fmt.Errorf("types nest deeper than %d, at %s", maxSchemaDepth, shown(t.describe()))
		}
		if t.reach > maxPath {
			return fmt.Errorf("the path of a field is longer than %d bytes, at %s", maxPath, shown(t.describe()))
		}
	}
	return nil
}

// weigh finds the type's own figures from those of the types within.
func (t *Type) weigh() {
	within := func(inner *Type, name int) {
		t.height = max(t.height, 1+inner.height)
		t.reach = max(t.reach, name+inner.reach)
	}
	switch t.Kind {
	case Null:
		t.void = true
	case Fixed:
		t.void = t.Size == 0
	case Array, Map:
		within(t.Items, 0)
	case Union:
		for _, branch := range t.Union {
			within(branch, 0)
		}
	case Record:
		for i := range t.Fields {
			within(t.Fields[i].Type, len(t.Fields[i].Name)+1)
			if !t.Fields[i].Type.void {
				t.solid = append(t.solid, i)
			}
		}
		t.void = len(t.solid) == 0
		if only := t.only(); only != nil && only.Kind == Record {
			if t.end, t.around = only.end, only.around+1; t.end == nil {
				t.end = only
			}
		}
	}
}

// size is about how many bytes the tree takes, with the text that it was made of: names and defaults are no longer
// than that text.
func (p *parser) size(text int) int {
	size := 3 * text
	for _, t := range p.all {
		size += int(unsafe.Sizeof(*t)) + len(t.Fields)*int(unsafe.Sizeof(Field{})) + len(t.solid)*int(unsafe.Sizeof(0)) +
			(len(t.ops)+len(t.entry))*int(unsafe.Sizeof(op{})) + len(t.Union)*int(unsafe.Sizeof(t)+unsafe.Sizeof(t.branches)) +
			len(t.Symbols)*int(unsafe.Sizeof(""))
	}
	return size
}
