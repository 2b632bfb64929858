package flowservice

import (
	"encoding/json"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/sources"
)

// openParts are the parts of a record that say nothing of a person but which segments
// they are in.
var openParts = map[string]bool{"segmentMembership": true, "_source": true}

// masker shows the form of a record and nothing that it says of a person: values are
// masked, and so are keys that no schema has, which are those of maps.
func masker(fields []sources.Field, collections bool) func(document []byte) any {
	known := map[string]bool{}
	for _, f := range fields {
		for part := range strings.SplitSeq(f.Path, ".") {
			known[part] = true
		}
	}
	keyOf := func(key string) string {
		if collections && !known[key] {
			return sources.Mask(key)
		}
		return key
	}
	return func(document []byte) any {
		value, err := api.Parse(document)
		if err != nil {
			return nil
		}
		record, _ := value.(object)
		for part, inner := range record {
			switch {
			case openParts[part]:
			case part == "identityMap":
				record[part] = masked(inner, func(key string) string { return key })
			default:
				record[part] = masked(inner, keyOf)
			}
		}
		return record
	}
}

func masked(value any, keyOf func(key string) string) any {
	switch v := value.(type) {
	case map[string]any:
		out := object{}
		for key, inner := range v {
			out[keyOf(key)] = masked(inner, keyOf)
		}
		return out
	case []any:
		for i := range v {
			v[i] = masked(v[i], keyOf)
		}
		return v
	case string:
		return sources.Mask(v)
	case json.Number:
		return sources.Mask(v.String())
	case bool:
		return "true | false"
	}
	return value
}
