// Package event makes up the events of the benchmark: of about 1 KB each, by an
// Avro schema with some twenty attributes, sixteen of them mapped. The same
// numbers give the same event.
package event

import (
	"bytes"
	_ "embed" // the schema
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/linkedin/goavro/v2"
)

// Schema is the writer schema of all events.
//
//go:embed event.avsc
var Schema string

// SchemaID is what the registry of the benchmark knows the schema by.
const SchemaID = 1

// Segments that a destination maps, and one that no profile is ever in.
const (
	Mapped      = "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"
	AlsoMapped  = "7841ba61-23c1-4bb3-a495-00d3g5fe1e93"
	Nobodys     = "e0f1c2d3-4b5a-4c6d-8e7f-901a2b3c4d5e"
	unmapped    = "0d6f7a2e-8f0c-4f6d-9a0b-1a7a4b5c6d7e"
	alsoUnmappd = "c5b1b6a4-2f0e-4a58-8f1d-6f4f0c9d2b3a"
)

// Attributes are the mapped ones; every event has them all.
var Attributes = []string{
	"person.name.firstName", "person.name.lastName", "person.email", "person.birthDate",
	"homeAddress.street1", "homeAddress.city", "homeAddress.postalCode", "homeAddress.countryCode", "mobilePhone.number",
	"company.name", "company.industry", "company.employees",
	"loyalty.tier", "loyalty.points", "loyalty.balance", "loyalty.joinedAt",
}

// Every filteredEvery-th event changes an unmapped segment only, and is not
// exported: four of five are.
const filteredEvery = 5

// Exported is how many of the first n events a destination exports.
func Exported(n int) int { return n - (n+filteredEvery-1)/filteredEvery }

// Key is the profile id, and the message key, of an identity.
func Key(identity int) string { return fmt.Sprintf("profile-%06d", identity) }

// Maker encodes events.
type Maker struct{ codec *goavro.Codec }

// NewMaker returns a Maker.
func NewMaker() (*Maker, error) {
	codec, err := goavro.NewCodec(Schema)
	if err != nil {
		return nil, fmt.Errorf("parse the event schema: %w", err)
	}
	return &Maker{codec}, nil
}

var (
	firstNames = strings.Fields("Ada Grace Alan Edsger Barbara Donald Margaret Dennis Radia Ken Frances Tim Hedy Linus Joan Niklaus")
	lastNames  = strings.Fields("Lovelace Hopper Turing Dijkstra Liskov Knuth Hamilton Ritchie Perlman Thompson Allen Lee Lamarr Wirth")
	cities     = strings.Fields("Utrecht Porto Lyon Graz Turku Bergen Gdansk Leeds Malaga Aarhus")
	industries = strings.Fields("software logistics retail energy insurance")
	tiers      = strings.Fields("bronze silver gold")
	began      = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
)

func pick(from []string, n int) string { return from[n%len(from)] }

type object = map[string]any

func text(s string) any { return goavro.Union("string", s) }

// Make is the number-th event, about an identity for the serial-th time, framed
// as the registry's clients do. Times are of whole seconds: programs differ in
// how they write fractions.
func (m *Maker) Make(number, identity int, serial int64) ([]byte, error) {
	changed := Mapped
	if number%filteredEvery == 0 {
		changed = unmapped
	}
	now := began.Add(time.Duration(number) * time.Second)
	frame := binary.BigEndian.AppendUint32([]byte{0}, SchemaID)
	event, err := m.codec.BinaryFromNative(frame, object{
		"eventId": fmt.Sprintf("0b6f2a8e-5a0b-4f6e-9a53-%012d", number), "evaluatedAt": now,
		"profileId": Key(identity), "mergePolicyId": "mp-default",
		"changed": goavro.Union("profile.segmentation.v1.Changed", object{
			"segments": []string{changed}, "attributes": []string{}, "identities": false,
		}),
		"attributes":        attributes(identity, serial, now),
		"segmentMembership": object{"ups": memberships(identity, number, now)},
		"identityMap": object{
			"ecid":            []any{id(fmt.Sprintf("%038d", identity*7919)), id(fmt.Sprintf("%038d", identity*7919+1))},
			"email_lc_sha256": []any{id(fmt.Sprintf("%064x", identity*2654435761))},
		},
		"consents": nil,
	})
	if err != nil {
		return nil, fmt.Errorf("encode event %d: %w", number, err)
	}
	return event, nil
}

// Dated is an event that is made before it is written, and then given its serial.
type Dated struct {
	Value []byte
	at    int // where the serial is
	size  int // of it
}

// MakeDated makes an event of a serial about as great as the one that it is going to have.
func (m *Maker) MakeDated(number, identity int, about int64) (Dated, error) {
	value, err := m.Make(number, identity, about)
	if err != nil {
		return Dated{}, err
	}
	serial := binary.AppendVarint(nil, about)
	if bytes.Count(value, serial) != 1 {
		return Dated{}, fmt.Errorf("event %d does not have its serial once", number)
	}
	return Dated{value, bytes.Index(value, serial), len(serial)}, nil
}

// Date sets the serial.
func (d *Dated) Date(serial int64) error {
	text := binary.AppendVarint(nil, serial)
	if len(text) != d.size {
		return fmt.Errorf("a serial of %d bytes is to have %d", len(text), d.size)
	}
	copy(d.Value[d.at:], text)
	return nil
}

func id(text string) any {
	return object{"id": text, "authenticatedState": "ambiguous", "primary": false}
}

func memberships(identity, number int, now time.Time) object {
	member := func(status string, since time.Time) object {
		return object{"lastQualificationTime": since, "status": status, "validUntil": nil, "mergePolicyId": nil}
	}
	earlier := began.Add(-time.Duration(identity) * time.Minute)
	return object{
		Mapped:      member(pick([]string{"realized", "existing", "exited"}, number), now),
		AlsoMapped:  member("existing", earlier),
		unmapped:    member("realized", earlier),
		alsoUnmappd: member("exited", earlier),
	}
}

func attributes(identity int, serial int64, now time.Time) object {
	first, last := pick(firstNames, identity), pick(lastNames, identity/7)
	company := fmt.Sprintf("%s %s Holding %d B.V.", last, pick(cities, identity/3), identity%1000)
	return object{
		"person": goavro.Union("profile.xdm.Person", object{
			"name":      goavro.Union("profile.xdm.PersonName", object{"firstName": text(first), "lastName": text(last)}),
			"email":     text(fmt.Sprintf("%s.%s.%d@example.com", strings.ToLower(first), strings.ToLower(last), identity)),
			"birthDate": goavro.Union("int.date", time.Date(1950+identity%50, time.Month(1+identity%12), 1+identity%28, 0, 0, 0, 0, time.UTC)),
		}),
		"homeAddress": goavro.Union("profile.xdm.Address", object{
			"street1": text(fmt.Sprintf("%s Avenue %d", last, 1+identity%300)), "city": text(pick(cities, identity)),
			"postalCode": text(fmt.Sprintf("%05d", identity%100000)), "stateProvince": nil, "countryCode": text("NL"),
		}),
		"mobilePhone": goavro.Union("profile.xdm.PhoneNumber", object{"number": text(fmt.Sprintf("+3161%07d", identity))}),
		"company": goavro.Union("profile.xdm.Company", object{
			"name": text(company), "industry": text(pick(industries, identity)),
			"employees": goavro.Union("int", 10+identity%5000), "website": text(fmt.Sprintf("https://www.company-%d.example.com/", identity%1000)),
		}),
		"loyalty": goavro.Union("profile.xdm.Loyalty", object{
			"tier": goavro.Union("profile.xdm.Tier", pick(tiers, identity)), "points": goavro.Union("long", serial),
			"balance":  goavro.Union("bytes.decimal", big.NewRat(int64(identity)*100+serial, 100)),
			"joinedAt": goavro.Union("long.timestamp-millis", began.AddDate(0, 0, -identity%1000)),
		}),
		"lastVisit": goavro.Union("profile.xdm.Visit", object{
			"page":      text(fmt.Sprintf("https://www.example.com/resources/white-papers/%d/download?session=%d", identity%97, now.Unix())),
			"referrer":  text("https://search.example.net/results?q=how+to+convert+leads"),
			"userAgent": text("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"),
		}),
	}
}
