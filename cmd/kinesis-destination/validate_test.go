package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/schemas"
)

// forbidden is the ordinary configuration under a policy that forbids it.
func (s *servers) forbidden() string {
	return s.changed("[person.email]", "[person.email, mobilePhone.number]\n  marketingActions: [exportToThirdParty]\ngovernance: {enabledPolicies: [core/C2-exportToThirdParty]}")
}

func TestValidateSaysThatNothingOutsideTheFileWasLookedAt(t *testing.T) {
	s := startServers(t)
	got := command(t, "", "validate", "-c", s.configFile)
	if got.code != 0 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{
		"destination leads: the configuration is well-formed\n",
		"field labels from:  none was looked at; labels on schema fields are not known\n",
		"Nothing outside the file was looked at; --live checks brokers, topic, registry, stream and credentials.\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
	if s.registry.Requests() != 0 {
		t.Error("the registry was asked")
	}
}

func TestValidateWarnsOfWhatMaySurprise(t *testing.T) {
	s := startServers(t)
	var segments, attributes []string
	for i := range 251 {
		segments = append(segments, "{id: s"+strings.Repeat("x", i)+"}")
	}
	for i := range 51 {
		attributes = append(attributes, "a"+strings.Repeat("x", i))
	}
	text := strings.Replace(s.changed("[person.email]", "["+strings.Join(attributes, ", ")+"]\n  marketingActions: [exportToThirdParty]"),
		"segments: [", "segments: ["+strings.Join(segments, ", ")+", ", 1)
	s.write(strings.Replace(text, "topic: segment-evaluations}", "topic: segment-evaluations, sasl: {mechanism: plain, username: u, password: p}}", 1))
	got := command(t, "", "validate", "-c", s.configFile)
	for _, want := range []string{"warning: source.kafka.sasl.mechanism: plain without source.kafka.tls.enabled: the password travels in the clear", "warning: activation.segments: 253 segments", "warning: activation.attributes: 51 attributes", "warning: governance.consent.mode: ignore: "} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
	if got.code != 0 || got.stderr != "" {
		t.Errorf("warnings fail: %d %s", got.code, got.stderr)
	}
}

func TestValidateTellsTheMistakesOfAllFiles(t *testing.T) {
	s := startServers(t)
	folder := t.TempDir()
	for name, text := range map[string]string{"a.yaml": s.changed("region: us-east-1", "regoin: us-east-1"), "b.yaml": "[]", "c.yaml": s.config} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := []string{"-c", filepath.Join(folder, "a.yaml"), "-c", filepath.Join(folder, "b.yaml"), "-c", filepath.Join(folder, "c.yaml")}
	got := command(t, "", append([]string{"validate"}, files...)...)
	want := folder + "/a.yaml:7: target.kinesis.regoin: unknown key; did you mean region?\n" + folder + "/b.yaml:1: must be a block of keys and values\n"
	if got.code != exitUsage || got.stderr != want || !strings.Contains(got.stdout, "destination leads: the configuration is well-formed") {
		t.Errorf("%+v", got)
	}
	if ran := command(t, "", append([]string{"run"}, files...)...); ran.code != exitUsage || ran.stderr != want || ran.stdout != "" {
		t.Errorf("run: %+v", ran)
	}
	got = command(t, "", append([]string{"validate", "-o", "json"}, files...)...)
	var all []validation
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || got.code != exitUsage || len(all) != 3 {
		t.Fatalf("%v: %+v", err, got)
	}
	if p := all[0].Problems; len(p) != 1 || p[0].Line != 7 || p[0].Path != "target.kinesis.regoin" || p[0].File != filepath.Join(folder, "a.yaml") {
		t.Errorf("%+v", p)
	}
	if all[2].Destination != "leads" || len(all[2].Problems) != 0 || len(all[2].Governance) != 1 {
		t.Errorf("%+v", all[2])
	}
}

func TestAPolicyViolationIsTheConfigurationsFaultAndSaysEachWayOut(t *testing.T) {
	s := startServers(t)
	s.write(s.forbidden())
	got := command(t, "", "validate", "--live", "-c", s.configFile)
	if got.code != exitUsage || got.stderr != "destination leads: the configuration violates a data governance policy\n" {
		t.Errorf("%+v", got)
	}
	finding := `
policy violation: core/C2-exportToThirdParty forbids exportToThirdParty (labels C2)
  because: The data does not go to third parties
  field mobilePhone.number carries C2: "labels" of mobilePhone.number in subject segment-evaluations-value, version 1
  either remove mobilePhone.number from activation.attributes
  or remove label C2 of field mobilePhone.number, if it is wrong: "labels" of mobilePhone.number in subject segment-evaluations-value, version 1
  or remove exportToThirdParty from activation.marketingActions, if the destination is not used for it
  or remove core/C2-exportToThirdParty from governance.enabledPolicies
`
	if !strings.HasSuffix(got.stdout, finding) {
		t.Errorf("stdout:\n%s", got.stdout)
	}
	for _, want := range []string{"LABEL  CARRIED BY", "core/C2-exportToThirdParty  exportToThirdParty  violated\n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
	if ran := command(t, "", "run", "-c", s.configFile); ran.code != exitUsage || !strings.HasSuffix(ran.stderr, finding) {
		t.Errorf("run: %+v", ran)
	}
	got = command(t, "", "validate", "--live", "-o", "json", "-c", s.configFile)
	var all []validation
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || got.code != exitUsage {
		t.Fatalf("%v: %+v", err, got)
	}
	v := all[0].Governance[0].Violations
	if len(v) != 1 || v[0].Policy != "core/C2-exportToThirdParty" || v[0].Carriers[0].Field != "mobilePhone.number" || len(v[0].WaysOut) != 4 || !all[0].Live {
		t.Errorf("%+v", v)
	}
}

func TestValidateLiveChecksWhatTheConfigurationLeadsTo(t *testing.T) {
	s := startServers(t)
	good := command(t, "", "validate", "--live", "-c", s.configFile)
	if good.code != 0 || good.stderr != "" || strings.Contains(good.stdout, "FAILED") || strings.Contains(good.stdout, "Nothing outside") {
		t.Fatalf("%+v", good)
	}
	for _, want := range []string{"ok      topic segment-evaluations: 2 partitions\n", "ok      mapped paths in subject segment-evaluations-value, version 1\n", "ok      stream high-propensity-leads (credentials, state, partition keys honoured) at http://127.0.0.1:", "ok      brokers at " + s.kafka.ListenAddrs()[0] + "\n", "ok      schema registry at http://127.0.0.1:"} {
		if !strings.Contains(good.stdout, want) {
			t.Errorf("no %q in\n%s", want, good.stdout)
		}
	}
	if len(s.kinesis.History(demoStream)) != 0 {
		t.Error("something was written")
	}
	for _, c := range []struct {
		name, text, line string
		code             int
		begin, end       func()
	}{
		{"topic", s.changed("topic: "+demoTopic, "topic: nowhere"), "FAILED  topics: there is no topic nowhere: ", exitFailed, nil, nil},
		{"stream", s.changed("stream: "+demoStream, "stream: nowhere"), "FAILED  stream nowhere (credentials, state, partition keys honoured) at http://127.0.0.1:", exitFailed, nil, nil},
		{"brokers", s.changed(s.kafka.ListenAddrs()[0], "127.0.0.1:1"), "FAILED  brokers and topics at 127.0.0.1:1: ", exitFailed, nil, nil},
		{"registry", s.config, "FAILED  schema registry at http://127.0.0.1:", exitFailed, func() { s.registry.SetStatus(http.StatusUnauthorized) }, func() { s.registry.SetStatus(0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.write(c.text)
			if c.begin != nil {
				c.begin()
				defer c.end()
			}
			got := command(t, "", "validate", "--live", "-c", s.configFile)
			if got.code != c.code || !strings.Contains(got.stdout, c.line) || !strings.Contains(got.stderr, "checks failed") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// With a pattern the registry was said to be well, and nobody had asked it.
func TestValidateLiveLooksAtTheSchemasOfAPattern(t *testing.T) {
	s := startServers(t)
	for _, c := range []struct {
		name, topics string
		status       int
		want         []string
		fails        bool
	}{
		{"what matches", "topicPattern: 'segment-e.*'", 0, []string{"ok      mapped paths in subject segment-evaluations-value, version 1\n", "ok      schema registry at http"}, false},
		{"a registry that refuses", "topicPattern: 'segment-e.*'", http.StatusUnauthorized, []string{"FAILED  schema registry at http"}, true},
		{"nothing matches", "topicPattern: 'nowhere-.*'", 0, []string{"ok      schema registry at http", "warn    newest schemas of the topics: not looked at: "}, true},
		{"nothing matches, and it refuses", "topicPattern: 'nowhere-.*'", http.StatusUnauthorized, []string{"FAILED  schema registry at http", "warn    newest schemas of the topics: not looked at: "}, true},
		{"one of several has none", "topics: [nowhere, " + demoTopic + ", elsewhere]", 0, []string{"FAILED  schema registry at http", "subject nowhere-value", "subject elsewhere-value", "ok      mapped paths in subject segment-evaluations-value, version 1\n"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.write(s.changed("topic: "+demoTopic, c.topics))
			s.registry.SetStatus(c.status)
			got := command(t, "", "validate", "--live", "-c", s.configFile)
			for _, want := range c.want {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("no %q in\n%s%s", want, got.stdout, got.stderr)
				}
			}
			if c.fails != (got.code != 0) {
				t.Errorf("exit %d:\n%s", got.code, got.stdout)
			}
		})
	}
}

// keyless is a schema of which the parts without which nothing leaves are missing,
// or of another form.
const keyless = `{"type": "record", "name": "E", "fields": [{"name": "id", "type": "string"},
 {"name": "segmentMembership", "type": {"type": "map", "values": "string"}},
 {"name": "identityMap", "type": {"type": "map", "values": {"type": "array", "items": {"type": "record", "name": "I", "fields": [{"name": "id", "type": "string"}]}}}},
 {"name": "attributes", "type": {"type": "record", "name": "A", "fields": [{"name": "person", "type": {"type": "record", "name": "P", "fields": [{"name": "email", "type": "string"}]}}]}}]}`

func TestASchemaOfWhichNothingCanBeExportedFails(t *testing.T) {
	s := startServers(t)
	s.registry.Register(demoTopic+"-value", keyless)
	lacks := "has no profileId that is text or a number, no segmentMembership that is a map of maps of records with a status"
	got := command(t, "", "validate", "--live", "-c", s.configFile)
	if got.code != exitFailed || !strings.Contains(got.stdout, "FAILED  parts of an event in subject segment-evaluations-value, version 2: ") || !strings.Contains(got.stdout, lacks) || strings.Contains(got.stdout, "no identityMap") {
		t.Errorf("%+v", got)
	}
	r := s.run()
	if !strings.Contains(r.stderr.String(), "no event of the newest schema can be exported") {
		t.Errorf("run says nothing: %s", r.stderr.String())
	}
	r.stop()
	file := filepath.Join(filepath.Dir(s.configFile), "schema.avsc")
	if err := os.WriteFile(file, []byte(keyless), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write(strings.Replace(s.config, "  schemaRegistry", "  schemaFile: schema.avsc\n  # schemaRegistry", 1))
	for _, args := range [][]string{{"validate"}, {"run"}} {
		got := command(t, "", append(args, "-c", s.configFile)...)
		if got.code != exitUsage || !strings.Contains(got.stderr+got.stdout, "source.schemaFile: schemaFile ") || !strings.Contains(got.stderr+got.stdout, lacks) {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestMappedPathsAreCheckedAgainstTheNewestSchema(t *testing.T) {
	s := startServers(t)
	s.write(s.changed("[person.email]", "[person.email, personalEmail.addr]"))
	missing := "activation.attributes[1]: subject segment-evaluations-value, version 1 has no path personalEmail.addr (did you mean personalEmail.address?)"
	if got := command(t, "", "validate", "--live", "-c", s.configFile); got.code != exitUsage || !strings.Contains(got.stdout, s.configFile+":13: "+missing) {
		t.Errorf("%+v", got)
	}
	if got := command(t, "", "validate", "-c", s.configFile); got.code != 0 {
		t.Errorf("without --live: %+v", got)
	}
	s.write(strings.Replace(s.changed("[person.email]", "[person.email, personalEmail.addr]"), "  schemaRegistry", "  schemaFile: schema.avsc\n  schemaRegistry", 1))
	if err := os.WriteFile(filepath.Join(filepath.Dir(s.configFile), "schema.avsc"), schemas.SegmentEvaluation, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := command(t, "", "validate", "-c", s.configFile); got.code != exitUsage || !strings.Contains(got.stderr, "did you mean personalEmail.address?") {
		t.Errorf("with a schema file: %+v", got)
	}

	collection := strings.Replace(string(schemas.SegmentEvaluation), `{"name": "personalEmail"`,
		`{"name": "tags", "type": {"type": "array", "items": "string"}, "default": []}, {"name": "personalEmail"`, 1)
	s.registry.Register(demoTopic+"-value", collection)
	s.write(s.changed("[person.email]", "[tags]"))
	refusal := "activation.attributes[0]: tags is an array or map in subject segment-evaluations-value, version 2: set activation.allowCollections"
	if got := command(t, "", "validate", "--live", "-c", s.configFile); got.code != exitUsage || !strings.Contains(got.stdout, refusal) {
		t.Errorf("%+v", got)
	}
	if got := command(t, "", "run", "-c", s.configFile); got.code != exitUsage || !strings.Contains(got.stderr, refusal) {
		t.Errorf("run: %+v", got)
	}
	s.write(s.changed("[person.email]", "[tags]\n  allowCollections: true"))
	if got := command(t, "", "validate", "--live", "-c", s.configFile); got.code != 0 {
		t.Errorf("with allowCollections: %+v", got)
	}
}

// TestASchemaWithoutTheConsentsThatAreRequiredFails: all events were filtered, with every check ok.
func TestASchemaWithoutTheConsentsThatAreRequiredFails(t *testing.T) {
	s := startServers(t)
	s.write(s.config + "governance: {consent: {mode: enforce, require: {share: [y]}}}\n")
	if got := command(t, "", "validate", "--live", "-c", s.configFile); got.code != 0 {
		t.Errorf("with consents: %+v", got)
	}
	s.registry.Register(demoTopic+"-value", strings.Replace(string(schemas.SegmentEvaluation), `"name": "consents"`, `"name": "agreements"`, 1))
	got := command(t, "", "validate", "--live", "-c", s.configFile)
	if got.code != exitFailed || !strings.Contains(got.stdout, "FAILED  consents in subject segment-evaluations-value, version 2: governance.consent.mode is enforce, and ") {
		t.Errorf("%+v", got)
	}
	r := s.run()
	if ended := r.stop(); strings.Count(ended.stderr, "can be exported but as an exit") != 1 {
		t.Errorf("%+v", ended)
	}
}
