package schemas

import (
	"bytes"
	"strings"
	"testing"
)

const plainSchema = `{"type": "record", "name": "E", "fields": [
 {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}]},
 {"name": "paid", "type": {"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 1}},
 {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
 {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
 {"name": "either", "type": [{"type": "int", "logicalType": "date"}, "string", {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 0}, "double"]}]}`

func TestPlainJSONIsReadAsPeopleWriteIt(t *testing.T) {
	schema, err := Parse([]byte(plainSchema))
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"price":78.30,"paid":-0.5,"day":"1969-12-31","at":"2026-01-31T12:00:00.000001Z","either":"2026-01-31"}`
	body, err := schema.EncodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	avro, err := schema.DecodeJSON(body)
	const want = `{"price":{"bytes":"\u001e` + "\u0096" + `"},"paid":"ÿÿÿû","day":{"int":-1},"at":1769860800000001,"either":{"string":"2026-01-31"}}`
	if err != nil || string(avro) != want {
		t.Errorf("%v: %s", err, avro)
	}
	again, err := schema.EncodeJSON(avro)
	if err != nil || !bytes.Equal(again, body) {
		t.Errorf("%v: Avro JSON is read otherwise: % x, % x", err, again, body)
	}
	if plain, err := schema.PlainJSON(body); err != nil || string(plain) != text {
		t.Errorf("%v: %s", err, plain)
	}
	// A day that is a branch of its own beside text would be read as text: then all is in Avro JSON.
	odd, err := schema.EncodeJSON([]byte(strings.Replace(text, `"either":"2026-01-31"`, `"either":{"int":5}`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := schema.PlainJSON(odd); err != nil || !strings.Contains(string(plain), `"either":{"int":5}`) {
		t.Errorf("%v: %s", err, plain)
	}
	for part, wrong := range map[string]string{
		`78.30`: "78.301", `-0.5`: "-99999999999", `"1969-12-31"`: `"yesterday"`, `"2026-01-31T12:00:00.000001Z"`: `"2026-01-31"`,
		`78.3`: "1e9", `78.`: strings.Repeat("9", maxPlainDigits+1) + ".",
	} {
		if _, err := schema.EncodeJSON([]byte(strings.Replace(text, part, wrong, 1))); err == nil || !strings.Contains(err.Error(), "$.") || strings.Contains(err.Error(), "yesterday") {
			t.Errorf("%.40s: %v", wrong, err)
		}
	}
}
