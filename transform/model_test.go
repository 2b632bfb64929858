package transform

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/linkedin/goavro/v2"
)

// model is the export rules once more, over goavro's maps, written to be read and not to be fast. It shares nothing
// with the plan but the configuration.
type model struct {
	config Config
	names  map[string]object // the schema's named types
	root   object
	source Source
}

// verdict is what the model says of an event; Record is a JSON value, of which the order of members is not known.
type verdict struct {
	outcome Outcome
	reason  Reason
	key     string
	record  any
}

// problem is how the model gives an event up.
type problem Reason

func (p problem) Error() string { return string(p) }

func newModel(config Config, root object) *model {
	m := &model{config: config, root: root, names: map[string]object{}}
	m.learn(root)
	return m
}

func (m *model) learn(schema any) {
	switch s := schema.(type) {
	case []any:
		for _, branch := range s {
			m.learn(branch)
		}
	case object:
		if name, ok := s["name"].(string); ok {
			m.names[name] = s
		}
		m.learn(s["items"])
		m.learn(s["values"])
		fields, _ := s["fields"].([]any)
		for _, f := range fields {
			m.learn(f.(object)["type"])
		}
	}
}

// typed is a value and its schema, out of its union.
type typed struct {
	schema any // a name of a primitive, or an object
	value  any // nil for null
}

func (m *model) unwrap(schema, value any) typed {
	if name, ok := schema.(string); ok && m.names[name] != nil {
		schema = m.names[name]
	}
	branches, ok := schema.([]any)
	if !ok {
		return typed{schema, value}
	}
	if value == nil {
		return typed{"null", nil}
	}
	for name, inner := range value.(map[string]any) {
		for _, branch := range branches {
			if m.branchName(branch) == name {
				return m.unwrap(branch, inner)
			}
		}
	}
	return typed{"null", nil}
}

// branchName is what goavro calls a branch.
func (m *model) branchName(schema any) string {
	if name, ok := schema.(string); ok {
		return name
	}
	o := schema.(object)
	if name, ok := o["name"].(string); ok {
		return name
	}
	logical, _ := o["logicalType"].(string)
	if full := o["type"].(string) + "." + logical; slices.Contains(goavroLogical, full) {
		return full
	}
	return o["type"].(string)
}

var goavroLogical = []string{"int.date", "int.time-millis", "long.time-micros", "long.timestamp-millis", "long.timestamp-micros", "bytes.decimal"}

// get is a record's field; null when it is not there.
func (m *model) get(t typed, name string) typed {
	record, ok := t.value.(map[string]any)
	if o, isObject := t.schema.(object); ok && isObject && o["type"] == "record" {
		for _, f := range o["fields"].([]any) {
			if f := f.(object); f["name"] == name {
				return m.unwrap(f["type"], record[name])
			}
		}
	}
	return typed{"null", nil}
}

// text is a value that is text; empty when it is not.
func (t typed) text() string {
	s, _ := t.value.(string)
	return s
}

func (m *model) judge(codec *goavro.Codec, body []byte) (v verdict) {
	native, rest, err := codec.NativeFromBinary(body)
	if err != nil || len(rest) > 0 {
		return verdict{outcome: Reject, reason: ReasonMalformed}
	}
	defer func() {
		if p, ok := recover().(problem); ok {
			v = verdict{outcome: Reject, reason: Reason(p)}
		}
	}()
	event := m.unwrap(m.root, native)
	reason := m.triggered(event)
	if reason != "" {
		return verdict{outcome: Filter, reason: reason}
	}
	consented := m.consented(event)
	listed := false
	m.members(event, func(_, id string, _ typed) { listed = listed || m.mapped(id) >= 0 })
	switch {
	case !consented && !listed:
		return verdict{outcome: Filter, reason: ReasonConsent}
	case consented && m.violated():
		switch m.config.Governance.OnViolation {
		case ViolationDeadLetter:
			return verdict{outcome: Reject, reason: ReasonPolicyViolation}
		case ViolationDropField:
		default:
			return verdict{outcome: Hold, reason: ReasonPolicyViolation}
		}
	}
	record := object{}
	v = verdict{outcome: Export, record: record}
	if consented {
		m.attributes(record, m.get(event, "attributes"))
	} else {
		v.reason = ReasonConsentExit
	}
	record["segmentMembership"] = m.membership(event, !consented)
	record["identityMap"], v.key = m.identities(event)
	if m.config.Metadata {
		record["_source"] = m.metadata(event)
	}
	if id := m.get(event, "profileId"); v.key == "" {
		if v.key = id.text(); id.text() == "" && id.value != nil && id.value != "" {
			v.key = fmt.Sprint(id.value)
		}
	}
	if v.key = strings.ToValidUTF8(v.key, "\uFFFD"); v.key == "" {
		panic(problem(ReasonMissingProfileID))
	}
	return v
}

func (m *model) mapped(id string) int {
	return slices.IndexFunc(m.config.Activation.Segments, func(s Segment) bool { return s.ID == id })
}

// members visits every membership that is not null, in no order.
func (m *model) members(event typed, visit func(namespace, id string, member typed)) {
	m.entries(m.get(event, "segmentMembership"), func(namespace string, inner typed) {
		m.entries(inner, func(id string, member typed) {
			if member.value != nil {
				visit(namespace, id, member)
			}
		})
	})
}

func (m *model) entries(t typed, visit func(key string, value typed)) {
	entries, _ := t.value.(map[string]any)
	for key, value := range entries {
		visit(key, m.unwrap(t.schema.(object)["values"], value))
	}
}

func (m *model) items(t typed, visit func(typed)) {
	items, _ := t.value.([]any)
	for _, item := range items {
		visit(m.unwrap(t.schema.(object)["items"], item))
	}
}

// triggered is empty when rules 1 to 8 export the event.
func (m *model) triggered(event typed) Reason {
	listed, inside := false, false
	m.members(event, func(_, id string, member typed) {
		if m.mapped(id) >= 0 {
			status := m.get(member, "status").text()
			listed, inside = true, inside || status == "realized" || status == "existing"
		}
	})
	changed := m.get(event, "changed")
	if known, _ := changed.value.(map[string]any); !hasAny(known, "segments", "attributes", "identities") {
		if listed {
			return ""
		}
		return ReasonNotInMappedSegment
	}
	anySegment, mappedSegment := false, false
	m.items(m.get(changed, "segments"), func(id typed) {
		anySegment, mappedSegment = true, mappedSegment || m.mapped(id.text()) >= 0
	})
	anyPath, mappedPath := false, false
	m.items(m.get(changed, "attributes"), func(path typed) {
		anyPath = true
		for _, mapped := range m.config.Activation.Attributes {
			a, b := path.text()+".", mapped+"."
			mappedPath = mappedPath || strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
		}
	})
	identities, _ := m.get(changed, "identities").value.(bool)
	switch {
	case mappedSegment, (identities || mappedPath) && inside:
		return ""
	case identities, mappedPath:
		return ReasonNotInMappedSegment
	case anySegment:
		return ReasonUnmappedSegment
	case anyPath:
		return ReasonUnmappedAttribute
	}
	return ReasonNothingChanged
}

func hasAny(fields map[string]any, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, ok := fields[name]
		return ok
	})
}

func (m *model) consented(event typed) bool {
	consent := m.config.Governance.Consent
	if consent.Mode != ConsentEnforce {
		return true
	}
	given := map[string]string{}
	m.entries(m.get(event, "consents"), func(path string, value typed) { given[path] = value.text() })
	for path, accepted := range consent.Require {
		value := given[path]
		if strings.HasPrefix(path, "marketing.") && path != "marketing.any" {
			if given["marketing.any"] == "n" || given["marketing.any"] == "y" && value == "" {
				value = given["marketing.any"]
			}
		}
		if !slices.Contains(accepted, value) {
			return false
		}
	}
	return true
}

func (m *model) membership(event typed, exit bool) object {
	own := m.get(event, "mergePolicyId").text()
	policy := func(member typed) string {
		if stated := m.get(member, "mergePolicyId"); stated.value != nil {
			return stated.text()
		}
		return own
	}
	policies := map[string]bool{}
	m.members(event, func(_, id string, member typed) {
		if m.mapped(id) >= 0 {
			policies[policy(member)] = true
		}
	})
	namespaces := object{}
	m.members(event, func(namespace, id string, member typed) {
		segment := m.mapped(id)
		mode := m.config.Activation.UnmappedSegments
		if segment < 0 && (exit || mode == MappedOnly || mode != AllSegments && !policies[policy(member)]) {
			return
		}
		entry := object{"status": m.get(member, "status").text()}
		if when, ok := m.moment(m.get(member, "lastQualificationTime")); ok {
			entry["lastQualificationTime"] = when
		}
		if exit {
			entry["status"] = "exited"
		}
		if segment >= 0 && m.config.Activation.IncludeSegmentNames && m.config.Activation.Segments[segment].Name != "" {
			entry["name"] = m.config.Activation.Segments[segment].Name
		}
		if namespaces[namespace] == nil {
			namespaces[namespace] = object{}
		}
		namespaces[namespace].(object)[id] = entry
	})
	return namespaces
}

func (m *model) identities(event typed) (all object, key string) {
	all = object{}
	wanted, byIdentity := strings.CutPrefix(m.config.PartitionKey, "identity:")
	m.entries(m.get(event, "identityMap"), func(namespace string, list typed) {
		ids := []any{}
		m.items(list, func(identity typed) {
			id := m.get(identity, "id")
			if id.value == nil {
				return
			}
			if byIdentity && namespace == wanted && len(ids) == 0 {
				key = fmt.Sprint(id.value)
			}
			value, _ := m.json(id)
			ids = append(ids, object{"id": value})
		})
		all[namespace] = ids
	})
	return all, key
}

func (m *model) metadata(event typed) object {
	source := object{"topic": m.source.Topic, "partition": number(m.source.Partition), "offset": number(m.source.Offset)}
	if id, ok := m.json(m.get(event, "eventId")); ok {
		source["eventId"] = id
	}
	if at, ok := m.moment(m.get(event, "evaluatedAt")); ok {
		source["evaluatedAt"] = at
	}
	return source
}

func number[N int | int32 | int64](n N) json.Number {
	return json.Number(strconv.FormatInt(int64(n), 10))
}
