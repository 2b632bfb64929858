// Package leads makes up believable leads of a business and what happens to
// them: they download a white paper and qualify for "high propensity to
// convert", subscribe and unsubscribe, move house, become customers. Each event
// comes with what a destination should make of it, decided by how the event was
// made up and not by the code that is shown or tested with it.
package leads

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"kinesis-destination/schemas"
)

// The segments that the destination maps, and others that the profiles are in.
const (
	HighPropensity = "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"
	Newsletter     = "7841ba61-23c1-4bb3-a495-00d3g5fe1e93"
	loyal          = "0d6f7a2e-8f0c-4f6d-9a0b-1a7a4b5c6d7e"
	trialUsers     = "c5b1b6a4-2f0e-4a58-8f1d-6f4f0c9d2b3a"
)

// Reasons for which a destination filters what is made up here.
const (
	UnmappedSegment    = "unmapped-segment"
	UnmappedAttribute  = "unmapped-attribute"
	NotInMappedSegment = "not-in-mapped-segment"
)

// Event is one segment evaluation as it goes to Kafka.
type Event struct {
	Key    string // profile id
	Body   []byte // Avro, by the contract's schema
	Serial int64  // rises with every event of the profile; exported as loyalty.points
	// Filtered is the reason why nothing leaves; empty: one record does.
	Filtered string
	// Inside are the segments that the profile is in, mapped or not.
	Inside []string
}

// Generator makes events up. The same seed gives the same events.
type Generator struct {
	random *rand.Rand
	schema *schemas.Schema
	leads  []*lead
	now    time.Time
	events int
	// Padding is added to each event's attributes, in bytes.
	Padding int
}

type lead struct {
	id, first, last, email string
	serial                 int64
	status                 map[string]string    // segment → realized, existing or exited
	since                  map[string]time.Time // when that was
	devices                int
}

// Words that believable people are made of.
var (
	FirstNames = strings.Fields("Ada Grace Alan Edsger Barbara Donald Margaret Dennis Radia Ken Frances Tim Hedy Linus Joan Niklaus")
	LastNames  = strings.Fields("Lovelace Hopper Turing Dijkstra Liskov Knuth Hamilton Ritchie Perlman Thompson Allen Lee Lamarr Wirth Clarke Torres")
	Cities     = strings.Fields("Utrecht Porto Lyon Graz Turku Bergen Gdansk Leeds Malaga Aarhus")
)

// New returns a generator of n leads.
func New(seed uint64, n int) (*Generator, error) {
	schema, err := schemas.Parse(schemas.SegmentEvaluation)
	if err != nil {
		return nil, fmt.Errorf("parse the event schema: %w", err)
	}
	g := &Generator{
		random: rand.New(rand.NewPCG(seed, 0x6c65616473)), schema: schema,
		now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	}
	for i := range n {
		first, last := FirstNames[g.random.IntN(len(FirstNames))], LastNames[g.random.IntN(len(LastNames))]
		g.leads = append(g.leads, &lead{
			id: fmt.Sprintf("lead-%05d", i), first: first, last: last,
			email:  fmt.Sprintf("%s.%s.%d@example.com", strings.ToLower(first), strings.ToLower(last), i),
			status: map[string]string{}, since: map[string]time.Time{}, devices: 1,
		})
	}
	return g, nil
}

// Next makes up what happens next.
func (g *Generator) Next() (Event, error) {
	l := g.leads[g.random.IntN(len(g.leads))]
	l.serial++
	g.events++
	g.now = g.now.Add(time.Duration(g.random.IntN(4000)) * time.Millisecond)
	c, filtered := g.happen(l)
	body, err := g.schema.EncodeJSON(g.render(l, c))
	if err != nil {
		return Event{}, fmt.Errorf("encode event %d: %w", g.events, err)
	}
	return Event{Key: l.id, Body: body, Serial: l.serial, Filtered: filtered, Inside: l.inside()}, nil
}

// change is the part of an event that says what it changed.
type change struct {
	Segments   []string `json:"segments"`
	Attributes []string `json:"attributes"`
	Identities bool     `json:"identities"`
}

func (l *lead) inMapped() bool {
	for _, s := range []string{HighPropensity, Newsletter} {
		if l.status[s] == "realized" || l.status[s] == "existing" {
			return true
		}
	}
	return false
}

func (l *lead) inside() []string {
	var in []string
	for segment, status := range l.status {
		if status != "exited" {
			in = append(in, segment)
		}
	}
	return in
}

func (g *Generator) happen(l *lead) (c change, filtered string) {
	outside := NotInMappedSegment
	if l.inMapped() {
		outside = ""
	}
	switch n := g.random.IntN(100); {
	case n < 30: // downloads a white paper, or cools down
		return g.toggle(l, HighPropensity), ""
	case n < 50:
		return g.toggle(l, Newsletter), ""
	case n < 65:
		return g.toggle(l, []string{loyal, trialUsers}[g.random.IntN(2)]), UnmappedSegment
	case n < 80: // earns points
		return change{Attributes: []string{"loyalty.points"}}, outside
	case n < 90: // moves house
		return change{Attributes: []string{"homeAddress.city", "homeAddress.countryCode"}}, UnmappedAttribute
	default: // signs in on another device
		l.devices++
		return change{Identities: true}, outside
	}
}

func (g *Generator) toggle(l *lead, segment string) change {
	switch l.status[segment] {
	case "realized", "existing":
		l.status[segment] = "exited"
	default:
		l.status[segment] = "realized"
	}
	l.since[segment] = g.now
	return change{Segments: []string{segment}}
}

// render is the event in Avro JSON.
func (g *Generator) render(l *lead, c change) []byte {
	type object = map[string]any
	memberships := object{}
	for segment, status := range l.status {
		memberships[segment] = object{
			"lastQualificationTime": l.since[segment].UnixMilli(), "status": status, "validUntil": nil, "mergePolicyId": nil,
		}
	}
	if c.Segments == nil {
		c.Segments = []string{}
	}
	if c.Attributes == nil {
		c.Attributes = []string{}
	}
	ids := []any{}
	for i := range min(l.devices, 4) {
		ids = append(ids, object{"id": fmt.Sprintf("%s-device-%d", l.id, i), "authenticatedState": "ambiguous", "primary": i == 0})
	}
	city := Cities[g.random.IntN(len(Cities))] + strings.Repeat(".", g.Padding)
	text, err := json.Marshal(object{
		"eventId":     fmt.Sprintf("event-%08d", g.events),
		"evaluatedAt": g.now.UnixMilli(), "profileId": l.id, "mergePolicyId": "mp-default",
		"changed": object{"profile.segmentation.v1.Changed": c},
		"attributes": object{
			"person": object{"profile.xdm.Person": object{
				"name":  object{"profile.xdm.PersonName": object{"firstName": object{"string": l.first}, "lastName": object{"string": l.last}}},
				"email": object{"string": l.email}, "birthDate": nil,
			}},
			"personalEmail": nil, "mobilePhone": nil,
			"homeAddress": object{"profile.xdm.Address": object{"city": object{"string": city}, "postalCode": nil, "countryCode": object{"string": "NL"}}},
			"loyalty":     object{"profile.xdm.Loyalty": object{"tier": nil, "points": object{"long": l.serial}, "balance": nil, "joinedAt": nil}},
		},
		"segmentMembership": object{"ups": memberships},
		"identityMap": object{
			"ecid":            ids,
			"email_lc_sha256": []any{object{"id": fmt.Sprintf("%016x", l.serial*2654435761), "authenticatedState": "authenticated", "primary": false}},
		},
		"consents": nil,
	})
	if err != nil {
		panic(err) // strings, numbers and maps of them: cannot fail
	}
	return text
}
