package sample

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-destination/schemas"
)

const (
	// maxNodes bounds the values of an event: what no schema of people has.
	maxNodes = 100_000
	// maxDepth is how deep optional values nest: a type may contain itself.
	maxDepth = 12
)

// writer writes one event in Avro JSON.
type writer struct {
	g       *Generator
	profile *profile
	change  change
	text    []byte
	nodes   int
}

// root writes an event as the record of the schema that can be one. A schema that has
// none is written as its first record.
func (w *writer) root(t *schemas.Type) {
	if w.g.record != nil {
		w.branch(t, w.g.record, w.event)
	} else if !w.as(t, w.event, schemas.Record) {
		w.value(t, "", 0)
	}
}

// event writes the parts that destinations read by what they mean, and the
// others as their types say.
func (w *writer) event(record *schemas.Type) {
	parts := map[*schemas.Field]func(*schemas.Type){}
	for name, write := range map[string]func(*schemas.Type){
		"eventId":           func(t *schemas.Type) { w.wordOf(t, fmt.Sprintf("sample-%08d", w.g.events), int64(w.g.events)) },
		"evaluatedAt":       func(t *schemas.Type) { w.time(t, w.g.now()) },
		"profileId":         func(t *schemas.Type) { w.wordOf(t, w.profile.id, int64(w.profileNumber())) },
		"mergePolicyId":     func(t *schemas.Type) { w.wordOf(t, "default", 1) },
		"changed":           w.changed,
		"attributes":        func(t *schemas.Type) { w.value(t, "", 0) },
		"segmentMembership": w.memberships,
		"identityMap":       w.identities,
		"consents":          w.consents,
	} {
		if field := record.Field(name); field != nil {
			parts[field] = write
		}
	}
	w.record(record, func(f *schemas.Field) {
		if write := parts[f]; write != nil {
			write(f.Type)
			return
		}
		w.value(f.Type, f.Name, maxDepth) // nobody asks for it: as short as can be
	})
}

func (w *writer) profileNumber() int {
	n, _ := strconv.Atoi(w.profile.id[strings.LastIndexByte(w.profile.id, '-')+1:]) // it was made from a number
	return n
}

// raw appends what is JSON already.
func (w *writer) raw(text string) { w.text = append(w.text, text...) }

func (w *writer) string(s string) {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string: cannot fail
	}
	w.text = append(w.text, quoted...)
}

func (w *writer) integer(n int64) { w.text = strconv.AppendInt(w.text, n, 10) }

// record writes a record's fields one by one.
func (w *writer) record(t *schemas.Type, field func(*schemas.Field)) {
	w.raw("{")
	for i := range t.Fields {
		if i > 0 {
			w.raw(",")
		}
		w.string(t.Fields[i].Name)
		w.raw(":")
		field(&t.Fields[i])
	}
	w.raw("}")
}

// as writes a value of the first kind that t can have of those wanted, inside
// its branch of a union; false: it can have none of them.
func (w *writer) as(t *schemas.Type, write func(*schemas.Type), wanted ...schemas.Kind) bool {
	for _, alternative := range t.Alternatives() {
		if slices.Contains(wanted, alternative.Kind) {
			w.branch(t, alternative, write)
			return true
		}
	}
	return false
}

// branch names the branch of a union, as Avro JSON has it.
func (w *writer) branch(t, branch *schemas.Type, write func(*schemas.Type)) {
	if t.Kind != schemas.Union {
		write(branch)
		return
	}
	name := branch.Name
	if name == "" {
		name = branch.Kind.String()
	}
	w.raw("{")
	w.string(name)
	w.raw(":")
	write(branch)
	w.raw("}")
}

// wordOf writes an id as text, or as a number where the schema has one.
func (w *writer) wordOf(t *schemas.Type, text string, number int64) {
	if w.as(t, func(*schemas.Type) { w.string(text) }, schemas.String) ||
		w.as(t, func(*schemas.Type) { w.integer(number) }, schemas.Long, schemas.Int) {
		return
	}
	w.value(t, "", maxDepth)
}

// symbol writes one of the words, as text or as the symbol of an enum, whatever
// its case there.
func (w *writer) symbol(t *schemas.Type, word string) {
	spelled := func(t *schemas.Type) {
		if i := slices.IndexFunc(t.Symbols, func(s string) bool { return strings.EqualFold(s, word) }); i >= 0 {
			word = t.Symbols[i]
		} else if t.Kind == schemas.Enum {
			word = t.Symbols[0]
		}
		w.string(word)
	}
	if !w.as(t, spelled, schemas.Enum, schemas.String) {
		w.value(t, "", maxDepth)
	}
}

// time writes a time by the logical type; a bare number is of milliseconds.
func (w *writer) time(t *schemas.Type, at time.Time) {
	number := func(t *schemas.Type) {
		switch t.Logical {
		case schemas.TimestampMicros, schemas.LocalTimestampMicros:
			w.integer(at.UnixMicro())
		case schemas.TimestampNanos, schemas.LocalTimestampNanos:
			w.integer(at.UnixNano())
		case schemas.Date:
			w.integer(at.Unix() / (24 * 60 * 60))
		case schemas.TimeMillis, schemas.TimeMicros:
			w.integer(0)
		default:
			if t.Kind == schemas.Int { // too short for milliseconds
				w.integer(at.Unix())
				return
			}
			w.integer(at.UnixMilli())
		}
	}
	if w.as(t, number, schemas.Long, schemas.Int) || w.as(t, func(*schemas.Type) { w.string(at.UTC().Format(time.RFC3339)) }, schemas.String) {
		return
	}
	w.value(t, "", maxDepth)
}

func (w *writer) changed(t *schemas.Type) {
	list := func(t *schemas.Type, of []string) {
		write := func(t *schemas.Type) {
			w.raw("[")
			for i, id := range of {
				if i > 0 {
					w.raw(",")
				}
				w.wordOf(t.Items, id, 0)
			}
			w.raw("]")
		}
		if !w.as(t, write, schemas.Array) {
			w.value(t, "", maxDepth)
		}
	}
	fields := func(t *schemas.Type) {
		w.record(t, func(f *schemas.Field) {
			switch f {
			case t.Field("segments"):
				list(f.Type, w.change.segments)
			case t.Field("attributes"):
				list(f.Type, w.change.attributes)
			case t.Field("identities"):
				if !w.as(f.Type, func(*schemas.Type) { w.raw(strconv.FormatBool(w.change.identities)) }, schemas.Boolean) {
					w.value(f.Type, "", maxDepth)
				}
			default:
				w.value(f.Type, "", maxDepth)
			}
		})
	}
	if !w.as(t, fields, schemas.Record) {
		w.value(t, "", maxDepth)
	}
}

func (w *writer) memberships(t *schemas.Type) {
	member := func(i int) func(*schemas.Type) {
		return func(t *schemas.Type) {
			w.record(t, func(f *schemas.Field) {
				switch f {
				case t.Field("status"):
					w.symbol(f.Type, w.profile.status[i])
				case t.Field("lastQualificationTime"):
					w.time(f.Type, w.profile.since[i])
				default:
					w.value(f.Type, "", maxDepth)
				}
			})
		}
	}
	segments := func(t *schemas.Type) {
		w.raw("{")
		comma := ""
		for i, s := range w.g.cfg.Activation.Segments {
			if w.profile.status[i] == "" {
				continue
			}
			w.raw(comma)
			w.string(s.ID)
			w.raw(":")
			if !w.as(t.Items, member(i), schemas.Record) {
				w.value(t.Items, "", maxDepth)
			}
			comma = ","
		}
		w.raw("}")
	}
	w.entries(t, segments, schemas.Map, "ups")
}

func (w *writer) identities(t *schemas.Type) {
	identity := func(text string, number int64, authenticated string, primary bool) func(*schemas.Type) {
		return func(t *schemas.Type) {
			w.record(t, func(f *schemas.Field) {
				switch f {
				case t.Field("id"):
					w.wordOf(f.Type, text, number)
				case t.Field("authenticatedState"):
					w.symbol(f.Type, authenticated)
				case t.Field("primary"):
					if !w.as(f.Type, func(*schemas.Type) { w.raw(strconv.FormatBool(primary)) }, schemas.Boolean) {
						w.value(f.Type, "", maxDepth)
					}
				default:
					w.value(f.Type, "", maxDepth)
				}
			})
		}
	}
	devices := func(t *schemas.Type) {
		w.raw("[")
		for i := range w.profile.devices {
			if i > 0 {
				w.raw(",")
			}
			write := identity(fmt.Sprintf("%s-device-%d", w.profile.id, i+1), int64(100*w.profileNumber()+i), "ambiguous", i == 0)
			if !w.as(t.Items, write, schemas.Record) {
				w.value(t.Items, "", maxDepth)
			}
		}
		w.raw("]")
	}
	w.entries(t, devices, schemas.Array, "ecid")
}

// entries writes a map of one entry, whose value is of the kind.
func (w *writer) entries(t *schemas.Type, value func(*schemas.Type), kind schemas.Kind, key string) {
	write := func(t *schemas.Type) {
		w.raw("{")
		w.string(key)
		w.raw(":")
		if !w.as(t.Items, value, kind) {
			w.value(t.Items, "", maxDepth)
		}
		w.raw("}")
	}
	if !w.as(t, write, schemas.Map) {
		w.value(t, "", maxDepth)
	}
}

// consents agrees to what the configuration requires.
func (w *writer) consents(t *schemas.Type) {
	write := func(t *schemas.Type) {
		required := w.g.cfg.Governance.Consent.Require
		w.raw("{")
		for i, path := range sortedKeys(required) {
			if i > 0 {
				w.raw(",")
			}
			w.string(path)
			w.raw(":")
			value := "y"
			if accepted := required[path]; len(accepted) > 0 {
				value = accepted[0]
			}
			w.symbol(t.Items, value)
		}
		w.raw("}")
	}
	if !w.as(t, write, schemas.Map) {
		w.value(t, "", maxDepth)
	}
}
