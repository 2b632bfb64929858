package transform

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// dice decides what is generated. They are read off bytes, so that a fuzzer can steer; past the end every die is 0,
// which is always the simplest choice.
type dice struct{ bytes []byte }

func randomDice(seed uint64) *dice {
	random := rand.New(rand.NewPCG(seed, 0))
	bytes := make([]byte, 64+random.IntN(1500))
	for i := range bytes {
		bytes[i] = byte(random.Uint32())
	}
	return &dice{bytes}
}

// roll is a number below n.
func (d *dice) roll(n int) int {
	if len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b) % n
}

func (d *dice) once(in int) bool { return d.roll(in) == in-1 }

func (d *dice) pick(from ...string) string { return from[d.roll(len(from))] }

func (d *dice) number() int64 {
	switch d.roll(6) {
	case 0:
		return 0
	case 1:
		return int64(d.roll(256)) - 100
	case 2:
		return 1590441879000 + int64(d.roll(2000))
	case 3:
		return -int64(d.roll(256)) * 987654321
	case 4:
		return int64(d.roll(256)) << 32
	default:
		return []int64{math.MaxInt64, math.MinInt64, 253402300799999, 253402300800000, -62167219200000, -62167219200001}[d.roll(6)]
	}
}

type object = map[string]any

// schemaMaker makes writer schemas, as JSON values.
type schemaMaker struct {
	dice  *dice
	named int
}

func (m *schemaMaker) name() string {
	m.named++
	return fmt.Sprintf("T%d", m.named)
}

// event makes a schema of events: parts in any order, most of them there, in one of their forms.
func (m *schemaMaker) event() object {
	text := func() any { return m.maybeNull(m.dice.pickAny("string", "string", m.enum("x", "A", "S0", "realized"))) }
	fields := []any{
		field("profileId", m.maybeNull(m.dice.pickAny("string", "int", "long", object{"type": "string", "logicalType": "uuid"}))),
		field("segmentMembership", m.seldomNull(mapOf(m.seldomNull(mapOf(m.seldomNull(m.member())))))),
		field("identityMap", m.maybeNull(mapOf(m.maybeNull(arrayOf(m.maybeNull(m.identity())))))),
		field("attributes", m.maybeNull(m.record(2))),
	}
	for _, optional := range []object{
		field("eventId", text()),
		field("evaluatedAt", m.maybeNull(m.moment())),
		field("mergePolicyId", text()),
		field("changed", []any{"null", m.changed()}),
		field("consents", m.maybeNull(mapOf(m.maybeNull("string")))),
		field("extra", m.any(2)),
	} {
		if !m.dice.once(8) {
			fields = append(fields, optional)
		}
	}
	for i := range fields { // shuffled
		j := i + m.dice.roll(len(fields)-i)
		fields[i], fields[j] = fields[j], fields[i]
	}
	return object{"type": "record", "name": m.name(), "fields": fields}
}

func field(name string, t any) object { return object{"name": name, "type": t} }

func mapOf(t any) object { return object{"type": "map", "values": t} }

func arrayOf(t any) object { return object{"type": "array", "items": t} }

func (d *dice) pickAny(from ...any) any { return from[d.roll(len(from))] }

// maybeNull makes a union with null, either way round, or none.
func (m *schemaMaker) maybeNull(t any) any {
	switch m.dice.roll(4) {
	case 0, 1:
		return t
	case 2:
		return []any{"null", t}
	default:
		return []any{t, "null"}
	}
}

func (m *schemaMaker) seldomNull(t any) any {
	if m.dice.once(4) {
		return m.maybeNull(t)
	}
	return t
}

func (m *schemaMaker) enum(symbols ...string) object {
	return object{"type": "enum", "name": m.name(), "symbols": symbols}
}

func (m *schemaMaker) moment() any {
	return m.dice.pickAny(object{"type": "long", "logicalType": "timestamp-millis"}, object{"type": "long", "logicalType": "timestamp-micros"},
		"long", "int", "string", object{"type": "int", "logicalType": "date"})
}

func (m *schemaMaker) member() object {
	fields := []any{field("status", m.dice.pickAny(m.enum("realized", "existing", "exited"), "string"))}
	if !m.dice.once(6) {
		fields = append(fields, field("lastQualificationTime", m.maybeNull(m.moment())))
	}
	if !m.dice.once(3) {
		fields = append(fields, field("mergePolicyId", m.maybeNull("string")))
	}
	if m.dice.once(3) {
		fields = append(fields, field("more", m.any(1)))
	}
	return object{"type": "record", "name": m.name(), "fields": fields}
}

func (m *schemaMaker) identity() object {
	return object{"type": "record", "name": m.name(), "fields": []any{
		field("primary", "boolean"), field("id", m.maybeNull(m.dice.pickAny("string", "long"))),
	}}
}

func (m *schemaMaker) changed() object {
	fields := []any{field("note", "string")}
	if !m.dice.once(5) {
		fields = append(fields, field("segments", m.maybeNull(arrayOf("string"))))
	}
	if !m.dice.once(5) {
		fields = append(fields, field("attributes", arrayOf(m.maybeNull("string"))))
	}
	if !m.dice.once(5) {
		fields = append(fields, field("identities", m.maybeNull("boolean")))
	}
	return object{"type": "record", "name": m.name(), "fields": fields}
}

// record makes a record of attributes: fields a, b, c… some with labels.
func (m *schemaMaker) record(depth int) object {
	record := object{"type": "record", "name": m.name()}
	var fields []any
	for i := range 1 + m.dice.roll(4) {
		f := field(string(rune('a'+i)), m.any(depth-1))
		if m.dice.once(7) {
			f["labels"] = []any{m.dice.pick("C12", "L1", "L2")}
		}
		fields = append(fields, f)
	}
	if m.dice.once(8) { // a list of itself
		fields = append(fields, field("next", []any{"null", record["name"]}))
	}
	record["fields"] = fields
	return record
}

func (m *schemaMaker) any(depth int) any {
	kinds := 17
	if depth > 0 {
		kinds = 23
	}
	switch m.dice.roll(kinds) {
	case 0, 1, 2:
		return "string"
	case 3:
		return m.dice.pickAny("long", "int", "boolean", "bytes")
	case 4, 5:
		return m.maybeNull(m.dice.pickAny("float", "double", "string", "long"))
	case 6:
		return m.enum("x", "y", "zz")
	case 7:
		if m.dice.once(4) {
			return object{"type": "fixed", "name": m.name(), "size": 16, "logicalType": "uuid"}
		}
		return object{"type": "fixed", "name": m.name(), "size": 1 + m.dice.roll(5)}
	case 8:
		return object{"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": m.dice.roll(5)}
	case 9:
		return object{"type": "fixed", "name": m.name(), "size": 4 + m.dice.roll(9), "logicalType": "decimal", "precision": 9, "scale": m.dice.roll(5)}
	case 10:
		return object{"type": "int", "logicalType": m.dice.pick("date", "time-millis")}
	case 11, 12:
		return object{"type": "long", "logicalType": m.dice.pick("time-micros", "timestamp-millis", "timestamp-micros",
			"timestamp-nanos", "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos", "made-up")}
	case 13:
		return []any{"null", "string", "long", "boolean", m.enum("u")}
	case 14:
		return "null"
	case 15, 16:
		return m.maybeNull("string")
	case 17, 18, 19:
		return m.maybeNull(m.record(depth))
	case 20:
		return m.maybeNull(arrayOf(m.any(depth - 1)))
	case 21:
		return m.maybeNull(mapOf(m.any(depth - 1)))
	default:
		return []any{"null", m.record(depth), m.record(depth)}
	}
}

// destination makes a configuration that fits the schema more often than not.
func (m *schemaMaker) destination() Config {
	d := m.dice
	c := Config{Metadata: d.once(5), PartitionKey: d.pick("", "profileId", "identity:n0", "identity:n1")}
	for i := range 1 + d.roll(4) {
		c.Activation.Segments = append(c.Activation.Segments, Segment{ID: fmt.Sprintf("S%d", i), Name: d.pick("", "one", "two \"2\"")})
	}
	seen := map[string]bool{}
	for range d.roll(6) {
		path := strings.TrimRight(fmt.Sprintf("%s.%s.%s", d.pick("a", "b", "c", "d"), d.pick("", "a", "b", "next"), d.pick("", "a", "b")), ".")
		if path = strings.ReplaceAll(path, "..", "."); !seen[path] {
			seen[path] = true
			c.Activation.Attributes = append(c.Activation.Attributes, path)
		}
	}
	c.Activation.UnmappedSegments = d.pick("", SameMergePolicy, MappedOnly, AllSegments)
	c.Activation.IncludeSegmentNames = d.once(3)
	c.Activation.AllowCollections = d.once(2)
	c.Governance.OnViolation = d.pick("", ViolationRefuse, ViolationDropField, ViolationDeadLetter)
	if d.once(3) {
		c.Governance.FieldLabels = map[string][]string{d.pick("a", "b", "a.b"): {"C12"}}
	}
	if d.once(2) {
		c.Governance.Consent = Consent{Mode: ConsentEnforce, Require: map[string][]string{d.pick("share", "marketing.email", "marketing.any"): {"y", "dy"}}}
	}
	return c
}

// schemaText is a schema as JSON.
func schemaText(schema any) []byte {
	text, err := json.Marshal(schema)
	if err != nil {
		return []byte(err.Error())
	}
	return text
}
