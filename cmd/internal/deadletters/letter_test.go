package deadletters

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// aLetter is what the sink writes, with some headers changed: nil takes one away.
func aLetter(change map[string][]byte, more ...consumer.Header) *consumer.Message {
	own := []consumer.Header{
		{Key: deadletter.HeaderTopic, Value: []byte("segment-evaluations")},
		{Key: deadletter.HeaderPartition, Value: []byte{0, 0, 0, 1}},
		{Key: deadletter.HeaderOffset, Value: []byte{0, 0, 0, 0, 0, 0, 0, 7}},
		{Key: deadletter.HeaderTimestamp, Value: binary.BigEndian.AppendUint64(nil, 1590441879123)},
		{Key: deadletter.HeaderGroup, Value: []byte("leads")},
		{Key: deadletter.HeaderMessage, Value: []byte("it is truncated")},
		{Key: deadletter.HeaderDestination, Value: []byte("leads")},
		{Key: deadletter.HeaderStage, Value: []byte("decode")},
		{Key: deadletter.HeaderReason, Value: []byte("malformed")},
		{Key: deadletter.HeaderAttempts, Value: []byte("1")},
		{Key: deadletter.HeaderFailedAt, Value: []byte("2026-01-31T12:00:00.000Z")},
	}
	m := &consumer.Message{Topic: "leads.dlt", Partition: 2, Offset: 3, Key: []byte("k"), Value: []byte("v"), Time: time.Unix(1e9, 0)}
	m.Headers = []consumer.Header{{Key: "traceparent", Value: []byte("00")}, {Key: "x-source-x-reason", Value: []byte("forged")}}
	for _, h := range own {
		if value, changed := change[h.Key]; changed {
			h.Value = value
			if value == nil {
				continue
			}
		}
		m.Headers = append(m.Headers, h)
	}
	m.Headers = append(m.Headers, more...)
	return m
}

// named is a destination of a name, whose group no letter is of.
func named(name string) *config.Config {
	c := &config.Config{Name: name}
	c.Source.Kafka.Group = "another"
	return c
}

// A flow's letters have its id, and its exported file its name: its letters stay its own, or
// a drop of those of others would erase them.
func TestALetterIsItsDestinationsByNameOrGroup(t *testing.T) {
	for _, c := range []struct {
		name, group string
		own         bool
	}{{"leads", "leads", true}, {"leads", "another", true}, {"renamed", "leads", true}, {"renamed", "another", false}} {
		of := named(c.name)
		of.Source.Kafka.Group = c.group
		l, foreign := letter.ReadOwn(aLetter(nil), of)
		if (l != nil) != c.own || !c.own && letter.ForeignReason(foreign) != letter.ReasonOtherDestination {
			t.Errorf("%+v: %s", c, foreign)
		}
	}
}

func TestALetterIsReadAsItWasWritten(t *testing.T) {
	l, foreign := letter.ReadOwn(aLetter(nil,
		consumer.Header{Key: deadletter.HeaderRedrives, Value: []byte("2")}, consumer.Header{Key: deadletter.HeaderParkedKey, Value: make([]byte, 16)},
		consumer.Header{Key: deadletter.HeaderValueOmitted, Value: []byte(deadletter.OmittedOf([]byte("large")).String())}, consumer.Header{Key: "a mirror's own"},
	), named("leads"))
	if l == nil {
		t.Fatal(foreign)
	}
	if l.From() != (transform.Source{Topic: "segment-evaluations", Partition: 1, Offset: 7}) || l.Redrives != 2 || l.Parked == nil || l.Reason != "malformed" ||
		l.Written.UnixMilli() != 1590441879123 || *l.Omitted.Value != deadletter.OmittedOf([]byte("large")) || l.FailedAt.Format(time.RFC3339) != "2026-01-31T12:00:00Z" {
		t.Errorf("%+v", l)
	}
	if len(l.SourceHeaders) != 2 || l.SourceHeaders[0].Key != "traceparent" || l.SourceHeaders[1].Key != "x-reason" {
		t.Errorf("the source's headers: %v", l.SourceHeaders)
	}
}

// A producer's time may be any number; the letter of its message is one all the same.
func TestALetterOfAMessageWithAnyTimeIsaLetter(t *testing.T) {
	for _, ms := range []int64{-1, 0, math.MinInt64, math.MaxInt64, 1e17} {
		l, foreign := letter.ReadOwn(aLetter(map[string][]byte{deadletter.HeaderTimestamp: binary.BigEndian.AppendUint64(nil, uint64(ms))}), named("leads"))
		if l == nil {
			t.Fatal(foreign)
		}
		if _, err := json.Marshal(l); err != nil {
			t.Error(err)
		}
		if l.SourceTime.UnixMilli() != ms {
			t.Errorf("%d came back as %d", ms, l.SourceTime.UnixMilli())
		}
	}
}

// strangers are messages that are no letters of the destination leads.
func strangers() map[string]*consumer.Message {
	all := map[string]*consumer.Message{
		"no headers at all":   {Topic: "leads.dlt", Value: []byte("x")},
		"of another":          aLetter(map[string][]byte{deadletter.HeaderDestination: []byte("others")}),
		"a short parked key":  aLetter(nil, consumer.Header{Key: deadletter.HeaderParkedKey, Value: []byte{1}}),
		"redrives of letters": aLetter(nil, consumer.Header{Key: deadletter.HeaderRedrives, Value: []byte("many")}),
		"redrives below zero": aLetter(nil, consumer.Header{Key: deadletter.HeaderRedrives, Value: []byte("-1")}),
		"omitted, of nothing": aLetter(nil, consumer.Header{Key: deadletter.HeaderValueOmitted, Value: []byte("length=-1 sha256=00")}),
		"headers out of many": aLetter(nil, consumer.Header{Key: deadletter.HeaderHeadersOmitted, Value: []byte("99999999999")}),
	}
	for _, name := range []string{
		deadletter.HeaderTopic, deadletter.HeaderPartition, deadletter.HeaderOffset, deadletter.HeaderTimestamp, deadletter.HeaderDestination, deadletter.HeaderStage, deadletter.HeaderReason, deadletter.HeaderFailedAt,
	} {
		all["without "+name] = aLetter(map[string][]byte{name: nil})
		all["with an empty "+name] = aLetter(map[string][]byte{name: {}})
		if name != deadletter.HeaderTopic { // the last one begins the letter's own headers
			all["with two of "+name] = aLetter(nil, consumer.Header{Key: name, Value: aLetterHeader(name)})
		}
	}
	for name, values := range map[string][]string{
		deadletter.HeaderTopic:     {"a topic", strings.Repeat("t", 250), "\x00"},
		deadletter.HeaderPartition: {"\xff\xff\xff\xff", "\x80\x00\x00\x00", "\x00\x00\x01", "\x00\x00\x00\x00\x01"},
		deadletter.HeaderOffset:    {"\xff\xff\xff\xff\xff\xff\xff\xff", "\x7f\xff\xff\xff\xff\xff\xff\xff", "1234567"},
		deadletter.HeaderTimestamp: {"1234567"},
		deadletter.HeaderStage:     {"elsewhere"},
		deadletter.HeaderReason:    {"some-new-reason", "Malformed"},
		deadletter.HeaderAttempts:  {"-1", "1e3", "9999999999"},
		deadletter.HeaderFailedAt:  {"yesterday", "0000-01-01T00:00:00+23:59", "1969-12-31T00:00:00Z", "9999-12-31T23:59:59-23:59"},
	} {
		for i, value := range values {
			all[name+" is odd, "+strconv.Itoa(i)] = aLetter(map[string][]byte{name: []byte(value)})
		}
	}
	return all
}

func aLetterHeader(name string) []byte {
	m := aLetter(nil)
	return m.Headers[slices.IndexFunc(m.Headers, func(h consumer.Header) bool { return h.Key == name })].Value
}

func TestAForeignLetterIsReadAsForeign(t *testing.T) {
	for name, m := range strangers() {
		l, foreign := letter.ReadOwn(m, named("leads"))
		if l != nil || foreign == "" {
			t.Errorf("%s: %+v %q", name, l, foreign)
		}
		if got := letter.ForeignReason(foreign); (got == letter.ReasonOtherDestination) != (name == "of another") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A letter with a reason that is not among the known ones is foreign. So those must
// be all that the code gives.
func TestTheReasonsOfLettersAreAllThatTheCodeGives(t *testing.T) {
	filters := []string{
		"consent-exit", "unmapped-segment", "unmapped-attribute", "not-in-mapped-segment", "nothing-changed", "consent", rules.ReasonTombstone,
		sink.ReasonLetterOfALetter, letter.ReasonForeign, letter.ReasonOtherDestination, "superseded", "other-segment", "letter-skipped",
	}
	for _, dir := range []string{".", "../rules", "../letter", "../resend", "../replay", "../../../sink", "../../../transform"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") || len(spec.Values) == 0 {
					return true
				}
				if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
					word, _ := strconv.Unquote(literal.Value)
					if !slices.Contains(rules.LetterReasons, word) && !slices.Contains(filters, word) {
						t.Errorf("%s: %s = %q is neither among letterReasons nor a filter's", file, spec.Names[0].Name, word)
					}
				}
				return true
			})
		}
	}
}

const fuzzedDestination = `
name: leads
source:
  kafka: {brokers: ["127.0.0.1:9092"], topic: segment-evaluations}
  schemaRegistry: {url: "http://127.0.0.1:8081"}
target:
  kinesis: {region: us-east-1, stream: leads, endpoint: "http://127.0.0.1:4567", credentials: {accessKeyId: test, secretAccessKey: test}}
activation:
  segments: [{id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae}]
  attributes: [person.email, loyalty.points]
`

// FuzzDeadLetters has everything that list, show, redrive, drop and run do with a
// message of the dead-letter topic be done with any.
func FuzzDeadLetters(f *testing.F) {
	for _, m := range strangers() {
		f.Add(m.Key, m.Value, encodeHeaders(m.Headers), int64(1), "")
	}
	f.Add([]byte("k"), []byte("v"), encodeHeaders(aLetter(nil).Headers), int64(-1), "malformed")
	f.Add([]byte(nil), []byte(nil), encodeHeaders(aLetter(nil, consumer.Header{Key: deadletter.HeaderParkedKey, Value: make([]byte, 16)}).Headers), int64(math.MaxInt64), "foreign")
	cfg, err := config.Parse("fuzz.yaml", []byte(fuzzedDestination))
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "schema.avsc")
	if err := os.WriteFile(file, schemas.SegmentEvaluation, 0o600); err != nil {
		f.Fatal(err)
	}
	cfg.Source.Registry, cfg.Source.SchemaFile = nil, file
	judging, err := rules.NewEvaluator(&cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key, value, headers []byte, ms int64, word string) {
		m := &consumer.Message{Topic: "leads.dlt", Partition: 1, Offset: 5, Key: key, Value: value, Headers: decodeHeaders(headers), Time: time.UnixMilli(ms)}
		filter := Filter{Reasons: []string{word}, Since: time.UnixMilli(ms)}
		tally := newTally(1)
		letter.DeadAlready(m)
		l, foreign := letter.ReadOwn(m, named("leads"))
		if l == nil {
			tally.foreign(m, foreign)
			filter.choosesForeign(m, foreign)
		} else {
			handleLetter(t, &judging, l, tally, &filter)
		}
		if _, err := json.Marshal(tally.list("leads.dlt")); err != nil {
			t.Fatal(err)
		}
	})
}

func handleLetter(t *testing.T, judging *rules.Evaluator, l *letter.Letter, tally *tally, filter *Filter) {
	t.Helper()
	tally.letter(l)
	filter.chooses(l)
	l.Story()
	isOf(l, l.Source)
	parking := (&Parking{config: named("leads"), spots: deadletter.NewParking()})
	parking.note(l.Source)
	parking.spots.Release(func(deadletter.Place) bool { return true })
	j, err := judging.Evaluate(t.Context(), l.Source, l.From())
	if err != nil {
		t.Fatal(err)
	}
	if j.Event.Schema != nil {
		if text, err := j.Event.Schema.DecodeJSON(j.Event.Body); err == nil && masked(text, j.Event.Schema) == nil && len(text) > 0 {
			t.Fatalf("%s cannot be masked", text)
		}
		profileID(j.Event)
	}
	if _, err := judging.Rules().ExplainMessage(t.Context(), judging.Decoder, l.Source, l.From()); err != nil {
		t.Fatal(err)
	}
	r := (&RedriveJob{}).record(l, j)
	if !bytes.Equal(r.Source.Origin().Value, l.Source.Value) || r.Source.Origin().Offset < 0 || r.Source.Origin().Partition < 0 {
		t.Fatalf("it would be redriven as %+v", r.Source.Origin())
	}
}

// encodeHeaders and decodeHeaders let a fuzzer change headers: length, name,
// length, value, lengths of one byte.
func encodeHeaders(headers []consumer.Header) (b []byte) {
	for _, h := range headers {
		b = append(append(b, byte(len(h.Key))), h.Key...)
		b = append(append(b, byte(len(h.Value))), h.Value...)
	}
	return b
}

func decodeHeaders(b []byte) (headers []consumer.Header) {
	next := func() []byte {
		if len(b) == 0 {
			return nil
		}
		n := min(int(b[0]), len(b)-1)
		part := b[1 : 1+n]
		b = b[1+n:]
		return part
	}
	for len(b) > 0 {
		name := next()
		headers = append(headers, consumer.Header{Key: string(name), Value: next()})
	}
	return headers
}
