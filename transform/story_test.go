package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/cockroachdb/datadriven"

	"kinesis-destination/schemas"
)

func (s *story) parse(d *datadriven.TestData) (string, error) {
	text := []byte(d.Input)
	if d.HasArg("attributes") {
		text = withField(string(schemas.SegmentEvaluation), "attributes", d.Input)
	}
	schema, err := schemas.Parse(text)
	if err != nil {
		return "", err
	}
	schema.Origin = "schema id 7"
	s.schema = schema
	return "ok", nil
}

// withField is a schema whose field of a name has another type.
func withField(schema, name, fieldType string) []byte {
	var root map[string]any
	var replacement any
	if err := errors.Join(json.Unmarshal([]byte(schema), &root), json.Unmarshal([]byte(fieldType), &replacement)); err != nil {
		return []byte(err.Error())
	}
	for _, field := range root["fields"].([]any) {
		if field := field.(map[string]any); field["name"] == name {
			field["type"] = replacement
			delete(field, "default")
		}
	}
	text, err := json.Marshal(root)
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// encode makes an event. Arguments are segments: "A=exited D=(realized, M2)".
func (s *story) encode(d *datadriven.TestData) (schemas.Event, error) {
	text, members := d.Input, []string{}
	for _, arg := range d.CmdArgs {
		if len(arg.Vals) == 0 {
			continue
		}
		policy := "null"
		if len(arg.Vals) > 1 {
			policy = strconv.Quote(arg.Vals[1])
		}
		members = append(members, fmt.Sprintf(`%q: {"lastQualificationTime": 1590441879000, "status": %q, "mergePolicyId": %s}`,
			arg.Key, arg.Vals[0], policy))
	}
	if !d.HasArg("whole") {
		text = overlay(blank, d.Input)
	}
	if len(members) > 0 {
		text = overlay(text, fmt.Sprintf(`"segmentMembership": {"ups": {%s}}`, strings.Join(members, ", ")))
	}
	body, err := s.schema.EncodeJSON([]byte(text))
	return schemas.Event{Schema: s.schema, Body: body}, err
}

// overlay replaces members of a JSON object. Values are kept as they are written, the order of their members included.
func overlay(base, changes string) string {
	var members, changed map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal([]byte(base), &members), json.Unmarshal([]byte("{"+changes+"}"), &changed)); err != nil {
		return err.Error()
	}
	maps.Copy(members, changed)
	text, err := json.Marshal(members)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *story) state(d *datadriven.TestData) (string, error) {
	event, err := s.encode(d)
	if err != nil {
		return "", err
	}
	if d.HasArg("cut") {
		event.Body = event.Body[:len(event.Body)-1]
	}
	plan, err := s.plan()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	key, _ := plan.Key(event, nil)
	fmt.Fprintf(&out, "key %q\n", key)
	listed, _ := plan.Memberships(event, nil)
	for _, m := range listed {
		fmt.Fprintf(&out, "in %s: %v\n", m.Segment, m.Inside)
	}
	decision, err := plan.State(nil, event, Source{})
	fmt.Fprintln(&out, decision.Outcome, decision.Reason)
	if err != nil {
		fmt.Fprintln(&out, err)
	}
	out.Write(decision.Data)
	return out.String(), nil
}
