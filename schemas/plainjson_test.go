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

func TestTimesOfDayAndLocalTimesAreText(t *testing.T) {
	schema, err := Parse([]byte(`{"type": "record", "name": "E", "fields": [
 {"name": "opens", "type": {"type": "long", "logicalType": "time-micros"}},
 {"name": "closes", "type": ["null", {"type": "int", "logicalType": "time-millis"}]},
 {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"opens":"08:00:00","closes":"23:59:59.999","local":"2026-01-31T12:00:00.5"}`
	body, err := schema.EncodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"opens":28800000000,"closes":{"int":86399999},"local":1769860800500}`
	if avro, err := schema.DecodeJSON(body); err != nil || string(avro) != want {
		t.Errorf("%v: %s", err, avro)
	}
	if plain, err := schema.PlainJSON(body); err != nil || string(plain) != text {
		t.Errorf("%v: %s", err, plain)
	}
	const none = `{"opens":86400000000,"closes":-1,"local":0}` // no time of any day
	if body, err = schema.EncodeJSON([]byte(none)); err != nil {
		t.Fatal(err)
	}
	if plain, err := schema.PlainJSON(body); err != nil || !strings.HasPrefix(string(plain), `{"opens":86400000000,"closes":-1,`) {
		t.Errorf("%v: %s", err, plain)
	}
	for part, wrong := range map[string]string{`08:00:00`: "24:00:00", `23:59:59.999`: "soon", `2026-01-31T12:00:00.5`: "2026-01-31T12:00:00Z"} {
		if _, err := schema.EncodeJSON([]byte(strings.Replace(text, part, wrong, 1))); err == nil || !strings.Contains(err.Error(), " such as ") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// TestADecimalThatIsTextIsRefused: it was read as the bytes of another number.
func TestADecimalThatIsTextIsRefused(t *testing.T) {
	schema, err := Parse([]byte(`{"type": "record", "name": "E", "fields": [
 {"name": "umsatz", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}]},
 {"name": "paid", "type": {"type": "fixed", "name": "F", "size": 5, "logicalType": "decimal", "precision": 9, "scale": 2}, "default": "\u0000\u0000\u0000\u0000\u0001"},
 {"name": "plain", "type": "bytes", "default": "12.50"},
 {"name": "either", "type": ["string", {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 0}], "default": "12.50"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"umsatz":"12.50"}`, `{"umsatz":{"bytes":"12.50"}}`, `{"umsatz":"-1"}`, `{"umsatz":"12,50"}`, `{"umsatz":"1e3"}`, `{"umsatz":null,"paid":"12.50"}`} {
		if _, err := schema.EncodeJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), "decimals are numbers, such as 12.50 without quotes") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`{"umsatz":12.50}`, `{"umsatz":"\u0004\u00e2"}`, `{"umsatz":null,"plain":"7","either":"7"}`} {
		if _, err := schema.EncodeJSON([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	// Bytes whose characters read as a number stand as one also in Avro JSON, so that it can be read back.
	body := append([]byte{2, 10}, "12.5012.50"...)
	body = append(body, 0, 0, 0)
	text, err := schema.DecodeJSON(body)
	if err != nil || !strings.HasPrefix(string(text), `{"umsatz":{"bytes":2112952865.76},"paid":2112952865.76,`) {
		t.Fatalf("%v: %s", err, text)
	}
	if again, err := schema.EncodeJSON(text); err != nil || !bytes.Equal(again, body) {
		t.Errorf("%v: % x, not % x", err, again, body)
	}
}
