package deadletters

import (
	"testing"

	"kinesis-destination/schemas"
)

// The keys of a map are what a producer wrote, such as an address; those of a record
// are the schema's.
func TestKeysOfMapsAreMaskedAndNamesOfFieldsAreNot(t *testing.T) {
	schema, err := schemas.Parse([]byte(`{"type":"record","name":"E","fields":[
		{"name":"segmentMembership","type":{"type":"map","values":"string"}},
		{"name":"identityMap","type":["null",{"type":"map","values":{"type":"array","items":{"type":"map","values":"string"}}}]},
		{"name":"attributes","type":["null",{"type":"record","name":"A","namespace":"n","fields":[
			{"name":"contacts","type":["null",{"type":"map","values":["null","string",{"type":"record","name":"C","fields":[{"name":"age","type":["null","int"]}]}]}]},
			{"name":"list","type":{"type":"array","items":{"type":"map","values":"int"}}}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := schema.EncodeJSON([]byte(`{"segmentMembership":{"s-1":"realized"},
		"identityMap":{"map":{"Email":[{"jane@example.com":"x"}]}},
		"attributes":{"n.A":{"contacts":{"map":{"jane@example.com":{"string":"a"},"joe":null,"jim":{"n.C":{"age":{"int":7}}}}},"list":[{"born 1990":1},{}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := schema.DecodeJSON(body)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"segmentMembership":{"s-1":"realized"},` +
		`"identityMap":{"map":{"Email":[{"***":"***"}]}},` +
		`"attributes":{"n.A":{"contacts":{"map":{"***":{"string":"***"},"*** 2":null,"*** 3":{"n.C":{"age":{"int":"***"}}}}},"list":[{"***":"***"},{}]}}}`
	if got := string(masked(text, schema)); got != want {
		t.Errorf("shown as %s\nexpected %s", got, want)
	}
}
