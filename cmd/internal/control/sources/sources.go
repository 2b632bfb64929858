// Package sources is what flows may read: Kafka clusters, topics and registries by
// name, of files that the operator writes. No address of them comes from a caller of
// the API, who could reach by it what this process can.
package sources

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
)

// DefaultSandbox is the sandbox where none is named.
const DefaultSandbox = "prod"

// Source is one file.
type Source struct {
	Name           string          `yaml:"name"`
	Description    string          `yaml:"description"`
	Kafka          consumer.Config `yaml:"kafka"`
	schemas.Config `yaml:",inline"`
	Segments       []Segment           `yaml:"segments"`
	FieldLabels    map[string][]string `yaml:"fieldLabels"`
	Sandbox        string              `yaml:"sandbox"`
}

// Segment is what is known of a segment besides what events say.
type Segment struct {
	ID            string     `yaml:"id"`
	Name          string     `yaml:"name"`
	Description   string     `yaml:"description"`
	MergePolicyID string     `yaml:"mergePolicyId"`
	Labels        []string   `yaml:"labels"`
	CreatedAt     *time.Time `yaml:"createdAt"`
	UpdatedAt     *time.Time `yaml:"updatedAt"`
}

var sandboxName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,255}$`)

// Load reads a file. The error is config.Problems, all of its mistakes at once.
func Load(file string) (*Source, error) {
	var s Source
	if err := config.ReadBlock(file, &s); err != nil {
		return nil, err
	}
	if s.Sandbox == "" {
		s.Sandbox = DefaultSandbox
	}
	var problems config.Problems
	report := func(path, message string) {
		problems = append(problems, config.Problem{File: file, Path: path, Message: message})
	}
	if !config.DestinationName.MatchString(s.Name) {
		report("name", "must be 1 to 200 letters, digits, '.', '_' or '-'")
	}
	if !sandboxName.MatchString(s.Sandbox) {
		report("sandbox", "must be a name of small letters, digits and '-'")
	}
	if s.Kafka.Group != "" || s.Kafka.GroupInstanceID != "" {
		report("kafka.group", "must be left out, as groupInstanceId: each flow has a group of its own")
	}
	probe := s.Kafka
	probe.Defaults()
	probe.Group = s.Name
	probe.Validate(func(path, message string) { report("kafka."+path, message) })
	s.Validate(report)
	seen := map[string]bool{}
	for i, segment := range s.Segments {
		if segment.ID == "" || seen[segment.ID] {
			report(fmt.Sprintf("segments[%d].id", i), "must be given, and once")
		}
		seen[segment.ID] = true
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return &s, nil
}

// Segment finds what is known of a segment.
func (s *Source) Segment(id string) (Segment, bool) {
	i := slices.IndexFunc(s.Segments, func(segment Segment) bool { return segment.ID == id })
	if i < 0 {
		return Segment{}, false
	}
	return s.Segments[i], true
}

// List is the sources of a control plane; the first of a sandbox is its default.
type List []*Source

// Find is the source of a name in a sandbox; the first one there for an empty name.
func (l List) Find(sandbox, name string) (*Source, error) {
	var names []string
	for _, s := range l {
		if s.Sandbox != sandbox {
			continue
		}
		if name == "" || s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("sandbox %s has no source: give one with serve --source FILE", sandbox)
	}
	return nil, fmt.Errorf("there is no such source; those of this sandbox are %s", strings.Join(names, ", "))
}

// Sandboxes are the names of the sandboxes that the sources are of, and the default
// one.
func (l List) Sandboxes() []string {
	names := []string{DefaultSandbox}
	for _, s := range l {
		if !slices.Contains(names, s.Sandbox) {
			names = append(names, s.Sandbox)
		}
	}
	return names
}
