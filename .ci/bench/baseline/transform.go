package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linkedin/goavro/v2"

	"kinesis-destination/.ci/bench/event"
)

// decoder makes documents of messages. It asks the registry once for each schema.
type decoder struct {
	registry string
	codecs   sync.Map // schema id → *goavro.Codec
}

type object = map[string]any

// paths are the mapped attributes, split at their dots.
var paths = func() (all [][]string) {
	for _, path := range event.Attributes {
		all = append(all, strings.Split(path, "."))
	}
	return all
}()

var errMalformed = errors.New("not a segment evaluation")

// transform returns the partition key and the document of an event; no document
// where it changed no mapped segment.
func (d *decoder) transform(ctx context.Context, value []byte) (key string, document []byte, err error) {
	if len(value) < 5 || value[0] != 0 {
		return "", nil, errMalformed
	}
	codec, err := d.codec(ctx, binary.BigEndian.Uint32(value[1:]))
	if err != nil {
		return "", nil, err
	}
	native, _, err := codec.NativeFromBinary(value[5:])
	if err != nil {
		return "", nil, fmt.Errorf("decode: %w", err)
	}
	e, ok := native.(object)
	if !ok {
		return "", nil, errMalformed
	}
	if !triggered(e) {
		return "", nil, nil
	}
	out := attributes(e)
	out["segmentMembership"] = memberships(e)
	out["identityMap"] = identities(e)
	if key, ok = e["profileId"].(string); !ok {
		return "", nil, errMalformed
	}
	if document, err = json.Marshal(out); err != nil {
		return "", nil, fmt.Errorf("encode: %w", err)
	}
	return key, document, nil
}

func (d *decoder) codec(ctx context.Context, id uint32) (*goavro.Codec, error) {
	if codec, ok := d.codecs.Load(id); ok {
		return codec.(*goavro.Codec), nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/schemas/ids/%d", d.registry, id), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the registry: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the registry: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Schema string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the registry's answer: %w", err)
	}
	codec, err := goavro.NewCodec(answer.Schema)
	if err != nil {
		return nil, fmt.Errorf("parse schema %d: %w", id, err)
	}
	d.codecs.Store(id, codec)
	return codec, nil
}

func mapped(segment string) bool { return segment == event.Mapped || segment == event.AlsoMapped }

// triggered says whether the event changed a mapped segment.
func triggered(e object) bool {
	changed, _ := branch(e["changed"]).(object)
	segments, _ := changed["segments"].([]any)
	return slices.ContainsFunc(segments, func(s any) bool { id, _ := s.(string); return mapped(id) })
}

// branch takes a value out of goavro's map of a union.
func branch(value any) any {
	if union, ok := value.(object); ok && len(union) == 1 {
		for _, inner := range union {
			return inner
		}
	}
	return value
}

func attributes(e object) object {
	out := make(object, 8)
	for _, path := range paths {
		value := e["attributes"]
		for _, part := range path {
			record, ok := value.(object)
			if inner, has := record[part]; ok && has {
				value = inner
			} else if record, ok = branch(value).(object); ok {
				value = record[part]
			} else {
				value = nil
			}
		}
		if value = plain(branch(value)); value == nil {
			continue
		}
		into := out
		for _, part := range path[:len(path)-1] {
			next, ok := into[part].(object)
			if !ok {
				next = make(object, 4)
				into[part] = next
			}
			into = next
		}
		into[path[len(path)-1]] = value
	}
	return out
}

// plain is a value as JSON has it.
func plain(value any) any {
	switch v := value.(type) {
	case time.Time:
		if h, m, s := v.Clock(); h+m+s == 0 && v.Nanosecond() == 0 {
			return v.Format(time.DateOnly)
		}
		return v.UTC().Format(time.RFC3339)
	case *big.Rat:
		return json.Number(v.FloatString(2))
	default:
		return v
	}
}

// memberships holds the mapped segments, and others of the same merge policies.
func memberships(e object) object {
	own, _ := e["mergePolicyId"].(string)
	policy := func(member object) string {
		if id, ok := branch(member["mergePolicyId"]).(string); ok {
			return id
		}
		return own
	}
	namespaces, _ := e["segmentMembership"].(object)
	policies := map[string]bool{}
	for _, segments := range namespaces {
		segments, _ := segments.(object)
		for id, member := range segments {
			if member, ok := member.(object); ok && mapped(id) {
				policies[policy(member)] = true
			}
		}
	}
	out := make(object, len(namespaces))
	for namespace, segments := range namespaces {
		segments, _ := segments.(object)
		exported := make(object, len(segments))
		for id, member := range segments {
			member, ok := member.(object)
			if !ok || !mapped(id) && !policies[policy(member)] {
				continue
			}
			since, _ := member["lastQualificationTime"].(time.Time)
			exported[id] = object{"lastQualificationTime": since.UTC().Format(time.RFC3339), "status": member["status"]}
		}
		if len(exported) > 0 {
			out[namespace] = exported
		}
	}
	return out
}

func identities(e object) object {
	namespaces, _ := e["identityMap"].(object)
	out := make(object, len(namespaces))
	for namespace, ids := range namespaces {
		ids, _ := ids.([]any)
		list := make([]object, 0, len(ids))
		for _, id := range ids {
			id, _ := id.(object)
			list = append(list, object{"id": id["id"]})
		}
		out[namespace] = list
	}
	return out
}
