package transform

import "kinesis-destination/schemas"

// Membership is a mapped segment that an event lists.
type Membership struct {
	Segment string // its id
	Inside  bool   // realized or existing; else the profile has left
}

// Key is the partition key of an event's record, whatever is to become of it. It is empty where the event cannot be
// read or states none. The error is ErrEnded, once done is closed.
func (p *Plan) Key(ev schemas.Event, done <-chan struct{}) (string, error) {
	j := evaluation{plan: p, c: schemas.NewCursor(ev.Body), watch: watch{done: done}}
	defer j.end()
	switch sound := j.sound(); {
	case j.watch.over:
		return "", ErrEnded
	case !sound:
		return "", nil
	}
	return j.key(), nil
}

// Memberships are the mapped segments that an event lists, in its own order; none where it cannot be read. The error is
// ErrEnded, once done is closed.
func (p *Plan) Memberships(ev schemas.Event, done <-chan struct{}) ([]Membership, error) {
	j := evaluation{plan: p, c: schemas.NewCursor(ev.Body), watch: watch{done: done}}
	defer j.end()
	sound := j.sound()
	var list []Membership
	if sound {
		list = j.listed()
	}
	if j.watch.over {
		return nil, ErrEnded
	}
	return list, nil
}

func (j *evaluation) listed() []Membership {
	var m member
	var list []Membership
	c := j.c.At(j.result.at[roleMembership])
	t := c.Branch(j.shape.types[roleMembership])
	for outer := (schemas.Blocks{}); t.Kind == schemas.Map && !j.watch.ended(1) && c.Next(t, &outer); {
		c.Bytes()
		namespace := c.Branch(t.Items)
		if namespace.Kind != schemas.Map {
			c.Skip(namespace)
			continue
		}
		for inner := (schemas.Blocks{}); !j.watch.ended(1) && c.Next(namespace, &inner); {
			segment, mapped := j.plan.rules.segments.find(view(c.Bytes()))
			j.readMember(&m, &c, namespace.Items)
			if mapped && m.present {
				list = append(list, Membership{j.plan.rules.cfg.Activation.Segments[segment].ID, m.status == statusRealized || m.status == statusExisting})
			}
		}
	}
	return list
}

// State makes the record of an event as the present state of its profile, whatever the event changed: this is how a
// profile is exported that qualified before its segment was mapped. Without a mapped segment, or without the consents
// that are required, nothing leaves: there is no earlier record to exit from. It answers as Apply does.
func (p *Plan) State(dst []byte, ev schemas.Event, src Source) (Decision, error) {
	j := evaluation{plan: p, src: src, c: schemas.NewCursor(ev.Body), watch: watch{done: src.Done}}
	d, err := j.state(dst)
	j.end()
	if j.watch.over {
		return Decision{}, ErrEnded
	}
	return d, err
}

func (j *evaluation) state(dst []byte) (Decision, error) {
	switch {
	case !j.sound():
		return reject(ReasonMalformed, 0, errMalformed)
	case !j.result.listed:
		return Decision{Outcome: Filter, Reason: ReasonNotInMappedSegment}, nil
	case !j.consents():
		return Decision{Outcome: Filter, Reason: ReasonConsent, Rule: 28}, nil
	}
	return j.export(dst, TriggerNone, 0)
}

// sound goes over the event once, and says whether it can be read.
func (j *evaluation) sound() bool {
	j.choose()
	if j.shape.missing != nil {
		return false
	}
	j.scan()
	return j.c.Done() && !j.result.unreadable
}
