package transform

import "kinesis-destination/schemas"

// member is one entry of segmentMembership, as a view.
type member struct {
	present   bool
	status    string
	policy    string
	ownPolicy bool // of the event, as the entry states none
	qualified int  // where lastQualificationTime is
	timeType  *schemas.Type
}

// readMember reads one entry into m. One that is null is not present.
func (j *evaluation) readMember(m *member, c *schemas.Cursor, t *schemas.Type) {
	t = c.Branch(t)
	parts, ok := j.shape.members.of(t)
	if !ok {
		j.result.unreadable = j.result.unreadable || t.Kind != schemas.Null
		c.Skip(t)
		*m = member{}
		return
	}
	*m = member{present: true, ownPolicy: true}
	for _, part := range parts {
		field := part.t
		switch part.role {
		case roleStatus:
			m.status = text(c, field)
		case rolePolicy:
			if field = c.Branch(field); field.Kind == schemas.Null {
				break
			}
			m.policy, m.ownPolicy = text(c, field), false
		case roleQualified:
			m.qualified, m.timeType = c.Pos(), field
			c.Skip(field)
		default:
			c.Skip(field)
		}
	}
}

// readMemberships looks for mapped segments.
func (j *evaluation) readMemberships(t *schemas.Type) {
	if t = j.c.Branch(t); t.Kind != schemas.Map {
		j.result.unreadable = j.result.unreadable || t.Kind != schemas.Null
		j.c.Skip(t)
		return
	}
	var m member
	for outer := (schemas.Blocks{}); !j.watch.ended(1) && j.c.Next(t, &outer); {
		j.c.Bytes()
		namespace := j.c.Branch(t.Items)
		if namespace.Kind != schemas.Map {
			j.result.unreadable = j.result.unreadable || namespace.Kind != schemas.Null
			j.c.Skip(namespace)
			continue
		}
		for inner := (schemas.Blocks{}); !j.watch.ended(1) && j.c.Next(namespace, &inner); {
			segment, mapped := j.plan.rules.segments.find(view(j.c.Bytes()))
			if !mapped {
				j.c.Skip(namespace.Items)
				continue
			}
			j.src.Noted.list(segment)
			if j.readMember(&m, &j.c, namespace.Items); m.present {
				j.result.listed = true
				j.result.inside = j.result.inside || m.status == statusRealized || m.status == statusExisting
				if j.plan.rules.unmapped == SameMergePolicy {
					j.result.policies.add(&m)
				}
			}
		}
	}
}

// writeMemberships writes the segments of rule 14, or with exit those of rule 28. It says whether the profile left the
// segment that triggered the record: as exited, or listed no more.
func (j *evaluation) writeMemberships(w *writer, exit bool) (left bool) {
	left = true
	w.member(`"segmentMembership":{`)
	c := j.c.At(j.result.at[roleMembership])
	t := c.Branch(j.shape.types[roleMembership])
	own := j.ownPolicy(exit)
	var m member
	var names, ids keySet
	defer names.free()
	defer ids.free()
	for outer := (schemas.Blocks{}); t.Kind == schemas.Map && !w.ended() && c.Next(t, &outer); {
		mark, name := len(w.dst), c.Bytes()
		namespace := c.Branch(t.Items)
		if namespace.Kind != schemas.Map {
			c.Skip(namespace)
			continue
		}
		w.key(view(name))
		w.dst = append(w.dst, '{')
		start := len(w.dst)
		ids.reset()
		for inner := (schemas.Blocks{}); !w.ended() && c.Next(namespace, &inner); {
			id := c.Bytes()
			segment, mapped := j.plan.rules.segments.find(view(id))
			j.readMember(&m, &c, namespace.Items)
			if !m.present || !mapped && (exit || !j.holdsUnmapped(&m, own)) {
				continue
			}
			if mapped && segment+1 == j.result.mapped {
				left = m.status == statusExited
			}
			if exit {
				m.status = statusExited
			}
			w.unique(&ids, id)
			if mapped {
				w.open(j.plan.rules.keys[segment])
			} else {
				w.key(view(id))
			}
			j.writeMember(w, &c, &m)
			if mapped {
				j.src.Noted.write(segment, m.status)
				w.dst = append(w.dst, j.plan.rules.extras[segment]...)
			}
			w.dst = append(w.dst, '}')
		}
		if len(w.dst) == start {
			w.dst = w.dst[:mark]
			continue
		}
		w.unique(&names, name)
		w.dst = append(w.dst, '}')
	}
	w.dst = append(w.dst, '}')
	return left
}

// writeMember writes an entry up to where a mapped segment's extras follow.
func (j *evaluation) writeMember(w *writer, c *schemas.Cursor, m *member) {
	w.dst = append(w.dst, '{')
	if m.timeType != nil {
		mark := len(w.dst)
		w.dst = append(w.dst, `"lastQualificationTime":`...)
		at := c.At(m.qualified)
		if !w.time(&at, m.timeType) {
			w.dst = w.dst[:mark]
		}
	}
	w.member(`"status":`)
	w.dst = appendString(w.dst, m.status)
}

// ownPolicy is the event's own merge policy; not needed for an exit, which holds no unmapped segment.
func (j *evaluation) ownPolicy(exit bool) string {
	t := j.shape.types[roleMergePolicy]
	if t == nil || exit || j.plan.rules.unmapped != SameMergePolicy {
		return ""
	}
	c := j.c.At(j.result.at[roleMergePolicy])
	return text(&c, t)
}

func (j *evaluation) holdsUnmapped(m *member, own string) bool {
	switch j.plan.rules.unmapped {
	case AllSegments:
		return true
	case MappedOnly:
		return false
	default:
		return j.result.policies.has(m, own)
	}
}

// policySet is the merge policies of the mapped segments of one profile: one or two, as a rule.
type policySet struct {
	own  bool // the event's own is among them
	n    int
	few  [2]string
	rest map[string]struct{} // the others: an event with many is hostile
}

func (s *policySet) add(m *member) {
	switch {
	case m.ownPolicy:
		s.own = true
	case s.holds(m.policy):
	case s.n < len(s.few):
		s.few[s.n] = m.policy
		s.n++
	case s.rest == nil:
		s.rest = map[string]struct{}{m.policy: {}}
	default:
		s.rest[m.policy] = struct{}{}
	}
}

// has says whether an entry's merge policy is in the set; own is the event's own.
func (s *policySet) has(m *member, own string) bool {
	if m.ownPolicy {
		return s.own || s.holds(own)
	}
	return s.own && m.policy == own || s.holds(m.policy)
}

func (s *policySet) holds(policy string) bool {
	for i := range s.n {
		if s.few[i] == policy {
			return true
		}
	}
	_, ok := s.rest[policy]
	return ok
}
