package flowservice

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/sink"
)

// streamsWait bounds the list of streams: a name can be typed in its stead.
const streamsWait = 8 * time.Second

// streams answers the streams that an account can see.
func (s *Service) streams(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	account, err := s.findAccount(v, c.Sandbox, r.PathValue("id"))
	if err != nil {
		return err
	}
	if account.ConnectionSpec.ID != KinesisSpec || account.State == stateInitializing {
		return api.Refuse(api.CodeInvalid, "the connection is none of Kinesis, or its role is not known yet")
	}
	cfg := s.sinkConfig(account, TargetParams{Region: r.URL.Query().Get("region")})
	if err := s.unseal(account, &cfg.Credentials); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamsWait)
	defer cancel()
	list, err := s.o.Streams(ctx, cfg)
	if err != nil {
		return api.Refuse(api.CodeInvalid, "the streams cannot be listed: %s. The stream's name can be typed all the same.", err)
	}
	items := []object{}
	for _, stream := range list.Streams {
		items = append(items, showStream(stream))
	}
	return api.Write(w, http.StatusOK, object{"items": items, "more": list.More})
}

func showStream(stream sink.ListedStream) object {
	shown := object{"name": stream.Name}
	if stream.State != nil {
		shown["state"] = stream.State
	}
	return shown
}

func (s *Service) listSources(c api.Caller, w http.ResponseWriter, _ *http.Request) error {
	items := []object{}
	for _, source := range s.o.Sources {
		if source.Sandbox == c.Sandbox {
			items = append(items, object{"name": source.Name, "description": source.Description, "topics": topics(source)})
		}
	}
	return api.Write(w, http.StatusOK, object{"items": items})
}

func topics(source *sources.Source) []string {
	names := source.Kafka.TopicNames()
	if len(names) == 0 && source.Kafka.TopicPattern != "" {
		names = []string{source.Kafka.TopicPattern}
	}
	return append([]string{}, names...)
}

// sourceNamed is the source that a path names.
func (s *Service) sourceNamed(c api.Caller, r *http.Request) (*sources.Source, error) {
	source, err := s.o.Sources.Find(c.Sandbox, r.PathValue("name"))
	if err != nil {
		return nil, notFound("source", r.PathValue("name"))
	}
	return source, nil
}

// sampled is a sample, or why there is none.
func (s *Service) sampled(ctx context.Context, source *sources.Source) (*sources.Sample, string) {
	if s.o.Sample == nil {
		return &sources.Sample{}, "this process takes no samples"
	}
	sample, err := s.o.Sample(ctx, source)
	if err != nil {
		s.o.Log.Warn("no sample of a source could be taken", "source", source.Name, "error", err)
		return &sources.Sample{}, "no sample could be taken: Kafka or the registry does not answer"
	}
	return sample, ""
}

// mostSeen bounds how many segments a sample lists that are not configured.
const mostSeen = 2000

// sourceSegments answers the segments that a source knows, and those that were seen in
// a sample of its newest events.
func (s *Service) sourceSegments(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	source, err := s.sourceNamed(c, r)
	if err != nil {
		return err
	}
	sample, unavailable := &sources.Sample{}, ""
	switch wanted := r.URL.Query().Get("sample"); wanted {
	case "", "true":
		sample, unavailable = s.sampled(r.Context(), source)
	case "false": // the names alone cost nothing
	default:
		return api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: "sample", Message: "must be true or false"}})
	}
	items := []object{}
	known := map[string]bool{}
	for _, segment := range source.Segments {
		known[segment.ID] = true
		items = append(items, object{
			"id": segment.ID, "name": segment.Name, "description": segment.Description, "labels": append([]string{}, segment.Labels...),
			"configured": true, "seen": sample.Segments[segment.ID],
		})
	}
	var seen []string
	for id := range sample.Segments {
		if !known[id] {
			seen = append(seen, id)
		}
	}
	slices.SortFunc(seen, func(a, b string) int {
		x, y := sample.Segments[a], sample.Segments[b]
		return cmp.Or(cmp.Compare(y.Inside+y.Exited, x.Inside+x.Exited), cmp.Compare(a, b))
	})
	for _, id := range seen[:min(len(seen), mostSeen)] {
		items = append(items, object{"id": id, "name": "", "description": "", "labels": []string{}, "configured": false, "seen": sample.Segments[id]})
	}
	return api.Write(w, http.StatusOK, object{"items": items, "sample": sample, "unavailable": unavailable, "more": len(seen) > mostSeen})
}

// field is one that can be mapped, with what a sample shows of it.
type field struct {
	sources.Field
	Present int    `json:"present"`
	Example string `json:"example,omitempty"`
}

// sourceFields answers the fields that can be mapped, by the newest schemas; examples
// are masked.
func (s *Service) sourceFields(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	source, err := s.sourceNamed(c, r)
	if err != nil {
		return err
	}
	unknown := ""
	ctx, cancel := context.WithTimeout(r.Context(), schemaWait)
	defer cancel()
	all, err := s.o.Schemas(ctx, source)
	if err != nil {
		s.o.Log.Warn("the schemas of a source could not be looked up", "source", source.Name, "error", err)
		unknown = "the schema could not be looked up: the registry does not answer, or has none for the topic"
	}
	sample, unavailable := s.sampled(r.Context(), source)
	listed, more := source.Fields(all)
	items := []field{}
	for _, f := range listed {
		seen := sample.Fields[f.Path]
		items = append(items, field{f, seen.Present, seen.Example})
	}
	return api.Write(w, http.StatusOK, object{
		"items": items, "more": more, "schemaUnavailable": unknown, "sample": sample, "events": len(sample.Events), "unavailable": unavailable,
	})
}
