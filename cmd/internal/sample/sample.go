// Package sample makes up believable events of a destination's own schema: leads
// who qualify for its segments and fall out of them, and whose attributes and
// identities change. What is made up can be judged by explain, and written to
// the topic by produce-sample.
package sample

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/schemas"
)

// Event is one event that was made up.
type Event struct {
	Key  string // the profile's id
	JSON []byte // in Avro JSON
	Body []byte // the same as Avro bytes, without a frame
}

// Generator makes events up. The same seed gives the same events but for their
// times. It is not for concurrent use.
type Generator struct {
	schema   *schemas.Schema
	record   *schemas.Type // of the schema: what its events are; nil: it has none
	cfg      *config.Config
	random   *rand.Rand
	now      func() time.Time
	profiles []*profile
	events   int
}

// profile is a lead, as the events of it tell.
type profile struct {
	id          string
	first, last string
	points      int64
	devices     int
	status      []string // of each activated segment; empty: it was never in it
	since       []time.Time
}

// change is what an event says that it changed.
type change struct {
	segments, attributes []string
	identities           bool
}

// The statuses of a membership.
const (
	realized = "realized"
	exited   = "exited"
)

// New returns a generator of events of so many profiles, for what the
// configuration activates and maps.
func New(cfg *config.Config, schema *schemas.Schema, seed uint64, profiles int, now func() time.Time) *Generator {
	g := &Generator{schema: schema, cfg: cfg, random: rand.New(rand.NewPCG(seed, 0x73616d706c65)), now: now}
	if inForce, err := rules.New(cfg, 1); err == nil {
		g.record = inForce.Rules.EventRecord(schema)
	}
	for i := range profiles {
		g.profiles = append(g.profiles, &profile{
			id: fmt.Sprintf("lead-%05d", i+1), first: g.oneOf(leads.FirstNames), last: g.oneOf(leads.LastNames), devices: 1,
			points: int64(g.random.IntN(500)), status: make([]string, len(cfg.Activation.Segments)),
			since: make([]time.Time, len(cfg.Activation.Segments)),
		})
	}
	return g
}

// First makes up the first event of a profile that qualifies for the first
// activated segment: with every mapped attribute that the schema has.
func (g *Generator) First() (Event, error) {
	p := g.profiles[0]
	return g.event(p, g.toggle(p, 0))
}

// Next makes up what happens next to some profile.
func (g *Generator) Next() (Event, error) {
	p := g.profiles[g.random.IntN(len(g.profiles))]
	var c change
	switch n := g.random.IntN(100); {
	case n < 60 || p.inNone():
		c = g.toggle(p, g.random.IntN(len(p.status)))
	case n < 85:
		p.points += int64(1 + g.random.IntN(50))
		c.attributes = g.cfg.Activation.Attributes
		if len(c.attributes) > 0 {
			i := g.random.IntN(len(c.attributes))
			c.attributes = c.attributes[i : i+1]
		}
	default:
		p.devices = 1 + p.devices%4
		c.identities = true
	}
	return g.event(p, c)
}

func (p *profile) inNone() bool { return !slices.Contains(p.status, realized) }

// toggle lets a profile qualify for an activated segment, or fall out of it.
func (g *Generator) toggle(p *profile, segment int) change {
	if p.status[segment] == realized {
		p.status[segment] = exited
	} else {
		p.status[segment] = realized
	}
	p.since[segment] = g.now()
	return change{segments: []string{g.cfg.Activation.Segments[segment].ID}}
}

func (g *Generator) event(p *profile, c change) (Event, error) {
	g.events++
	w := writer{g: g, profile: p, change: c}
	w.root(g.schema.Root)
	if w.nodes > maxNodes {
		return Event{}, fmt.Errorf("%s: an event of it has more than %d values, too many to make one up", g.schema.Origin, maxNodes)
	}
	body, err := g.schema.EncodeJSON(w.text)
	if err != nil {
		return Event{}, fmt.Errorf("make up an event of %s: %w", g.schema.Origin, err)
	}
	return Event{Key: p.id, JSON: w.text, Body: body}, nil
}

func (g *Generator) oneOf(words []string) string { return words[g.random.IntN(len(words))] }

var (
	countries = strings.Fields("NL PT FR AT FI NO PL GB ES DK")
	tiers     = strings.Fields("bronze silver gold")
	companies = strings.Fields("Northwind Contoso Fabrikam Initech Umbrella Globex Acme Hooli")
	words     = strings.Fields("white-paper webinar newsletter trial demo pricing contact event")
)
