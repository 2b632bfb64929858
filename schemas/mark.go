package schemas

// Mark is where a value is in an event, found on the way over the values around it.
type Mark struct {
	Pos  int
	Type *Type // of the value, never a union; nil where it is not there
}

// Marked is a type that is skipped as t is, and leaves its place at a slot of [Cursor.SkipMarking]. Of a union the
// branch is marked that is there, unless that is null.
func Marked(t *Type, slot int) *Type {
	if t.Kind == Union {
		branches := make([]*Type, len(t.Union))
		for i, branch := range t.Union {
			if branches[i] = branch; branch.Kind != Null {
				branches[i] = Marked(branch, slot)
			}
		}
		return Choice(branches)
	}
	room := maxInlinedOps
	return &Type{Kind: t.Kind, marking: true, ops: append([]op{{code: opMark, n: int32(slot), t: t}}, t.inline(&room)...)}
}

// Choice is a union of types, some of which may be marked or have something marked in them.
func Choice(branches []*Type) *Type {
	t := &Type{Kind: Union, Union: branches, marking: true}
	room := maxInlinedOps
	t.compile(&room)
	return t
}

// SkipMarking is [Cursor.Skip] of a type with marks, which are left in slots.
func (c *Cursor) SkipMarking(t *Type, slots []Mark) {
	if pos := skip(c.b, c.pos, t.ops, 0, &slots); pos >= 0 {
		c.pos = pos
	} else {
		c.Fail()
	}
}
