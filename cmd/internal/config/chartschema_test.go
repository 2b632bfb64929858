package config

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var rewriteSchema = flag.Bool("rewrite-schema", false, "write what the chart must know of a destination's keys into its values.schema.json")

const chartSchema = "../../../deployments/helm/kinesis-destination/values.schema.json"

type object = map[string]any

// schemaOf is what JSON schema can say of a key. A scalar may also be a reference such
// as ${NAME}, which is a string.
func schemaOf(t reflect.Type) object {
	switch {
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem())
	case t == reflect.TypeFor[time.Duration](), t == reflect.TypeFor[time.Time](), t == secretType, t.Kind() == reflect.String:
		return object{"type": []any{"string", "number"}}
	case t.Kind() == reflect.Bool:
		return object{"type": []any{"boolean", "string"}}
	case t.Kind() == reflect.Slice:
		return object{"type": []any{"array", "null"}, "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.Map:
		return object{"type": []any{"object", "null"}, "additionalProperties": schemaOf(t.Elem())}
	case t.Kind() != reflect.Struct:
		return object{"type": []any{"number", "string"}}
	}
	fields := map[string]reflect.Value{}
	CollectFields(reflect.New(t).Elem(), fields)
	properties := object{}
	for name, field := range fields {
		properties[name] = schemaOf(field.Type())
	}
	return object{"type": []any{"object", "null"}, "additionalProperties": false, "properties": properties}
}

// A slip in a destination was found by pods that did not start, in place of by helm.
func TestTheChartKnowsEveryKeyOfADestination(t *testing.T) {
	want := schemaOf(reflect.TypeFor[Config]())
	want["type"], want["required"] = "object", []any{"name", "source", "target", "activation"}
	properties := want["properties"].(object)
	properties["name"] = object{"type": "string", "pattern": DestinationName.String()}
	properties["server"] = object{"description": "server.listen is set by the chart", "not": object{}}
	if len(properties) < 7 {
		t.Fatalf("only %v", slices.Sorted(maps.Keys(properties)))
	}
	encoded, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(chartSchema)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^    "destination": .*$`)
	if *rewriteSchema {
		text = line.ReplaceAllLiteral(text, []byte(`    "destination": `+string(encoded)+","))
		if err := os.WriteFile(chartSchema, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if found := strings.TrimSuffix(strings.TrimPrefix(line.FindString(string(text)), `    "destination": `), ","); found != string(encoded) {
		t.Errorf("values.schema.json of the chart has not the keys of a destination as they are: go test ./cmd/internal/config -run TestTheChartKnows -rewrite-schema")
	}
}

// The tag of what no key sets was taken for a key.
func TestWhatNoKeySetsIsNoKey(t *testing.T) {
	_, err := Parse("destination.yaml", []byte("name: leads\n\"-\": 5\n"))
	if err == nil || !strings.Contains(err.Error(), ": -: ") {
		t.Errorf("%v", err)
	}
}
