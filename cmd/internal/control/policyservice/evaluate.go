package policyservice

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/flowservice"
	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// The bounds of what one call has evaluated.
const (
	maxLabels   = 200
	maxEntities = 20
	maxJobs     = 50
)

// entity is a dataset: a subject of a registry, with the fields that count; none: all.
type entity struct {
	EntityType string `json:"entityType"`
	EntityID   string `json:"entityId"`
	EntityMeta struct {
		Fields []string `json:"fields"`
	} `json:"entityMeta"`
}

// verdicts is the answer of an evaluation.
func (s *Service) verdicts(v documents.Reader, c api.Caller, where, action string, drafts bool, judge func(p documents.PolicySet) ([]string, []object, []string, error)) (object, error) {
	policies, err := Policies(v, c.Sandbox)
	if err != nil {
		return nil, err
	}
	core, err := transform.CoreCatalog()
	if err != nil {
		return nil, err
	}
	known := where == "core" && isCore(core, action)
	if where == "custom" {
		_, known = v.Get(documents.Key(documents.MarketingActions, c.Sandbox, action))
	}
	if !known {
		return nil, notFound("marketing action", action)
	}
	if drafts {
		for i := range policies.Custom.Policies {
			if policies.Custom.Policies[i].Status == transform.PolicyDraft {
				policies.Custom.Policies[i].Status = transform.PolicyEnabled
			}
		}
	}
	labels, discovered, violated, err := judge(policies)
	if err != nil {
		return nil, err
	}
	answer := object{
		"timestamp": s.o.Now().UnixMilli(), "clientId": c.Client, "userId": c.Name, "imsOrg": c.Organisation, "sandboxName": c.Sandbox,
		"marketingActionRef": actionRef(where, action), "duleLabels": labels,
	}
	if discovered != nil {
		answer["discoveredLabels"] = discovered
	}
	shown := []object{}
	for _, container := range []string{"core", "custom"} {
		items, err := s.policies(v, c.Sandbox, container)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if name, _ := item.Fields["name"].(string); slices.Contains(violated, name) {
				shown = append(shown, item.Fields)
			}
		}
	}
	if slices.Contains(violated, "C12") { // which needs no policy
		shown = append(shown, object{"id": "C12", "name": "C12", "status": enabled, "description": "What carries C12 is never exported, whatever the policies", "marketingActionRefs": []string{}, "deny": object{"label": "C12"}, "_links": object{}})
	}
	answer["violatedPolicies"] = shown
	return answer, nil
}

func violatedBy(e transform.Evaluation) []string {
	var names []string
	for _, v := range e.Violations {
		names = append(names, v.Policy)
	}
	return names
}

// byLabels evaluates a list of labels.
func byLabels(action string, labels []string) func(p documents.PolicySet) ([]string, []object, []string, error) {
	return func(p documents.PolicySet) ([]string, []object, []string, error) {
		e, err := flowservice.Judge(p, action, func(r *transform.Rules) transform.Evaluation { return r.Evaluate(nil) }, labels, nil)
		return labels, nil, violatedBy(e), err
	}
}

func labelList(text, field string) ([]string, error) {
	var labels []string
	for label := range strings.SplitSeq(text, ",") {
		if label = strings.TrimSpace(label); label != "" && !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	return labels, checkLabels(labels, field)
}

func checkLabels(labels []string, field string) error {
	switch {
	case len(labels) == 0:
		return api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: field, Message: "must name labels: C1,C3"}})
	case len(labels) > maxLabels:
		return api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: field, Message: fmt.Sprintf("must name at most %d labels", maxLabels)}})
	case slices.Contains(labels, ""):
		return api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: field, Message: "a label is not empty"}})
	}
	return nil
}

func (s *Service) constraints(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	where, err := container(r)
	if err != nil {
		return err
	}
	labels, err := labelList(r.URL.Query().Get("duleLabels"), "duleLabels")
	if err != nil {
		return err
	}
	return s.answerVerdicts(c, w, r, where, byLabels(r.PathValue("name"), labels))
}

func (s *Service) answerVerdicts(c api.Caller, w http.ResponseWriter, r *http.Request, where string, judge func(p documents.PolicySet) ([]string, []object, []string, error)) error {
	drafts := r.URL.Query().Get("includeDraft")
	if !slices.Contains([]string{"", "true", "false"}, drafts) {
		return api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: "includeDraft", Message: "must be true or false"}})
	}
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	answer, err := s.verdicts(v, c, where, r.PathValue("name"), drafts == "true", judge)
	if err != nil {
		return err
	}
	return api.Write(w, http.StatusOK, answer)
}

func (s *Service) entityConstraints(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	where, err := container(r)
	if err != nil {
		return err
	}
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	var entities []entity
	if problems := api.Into(body, &entities, ""); len(problems) > 0 {
		return api.Invalid(problems)
	}
	judge, err := s.byEntities(r.Context(), c, r.PathValue("name"), entities)
	if err != nil {
		return err
	}
	return s.answerVerdicts(c, w, r, where, judge)
}

// byEntities evaluates the labels of subjects' fields, and those that the source
// states beside the schema.
func (s *Service) byEntities(ctx context.Context, c api.Caller, action string, entities []entity) (func(p documents.PolicySet) ([]string, []object, []string, error), error) {
	if len(entities) == 0 || len(entities) > maxEntities {
		return nil, api.Invalid([]api.FieldError{{Field: "entityList", Message: fmt.Sprintf("must name 1 to %d datasets", maxEntities)}})
	}
	from, err := s.o.Sources.Find(c.Sandbox, "")
	if err != nil {
		return nil, api.Refuse(api.CodeInvalid, "%s", err)
	}
	type found struct {
		entity
		schema *schemas.Schema
		paths  []string
	}
	var all []found
	for i, e := range entities {
		if !strings.EqualFold(e.EntityType, "dataSet") {
			return nil, api.Invalid([]api.FieldError{{Field: fmt.Sprintf("[%d].entityType", i), Message: "must be dataSet"}})
		}
		schema, err := s.o.Subject(ctx, from, e.EntityID)
		if err != nil {
			s.o.Log.Warn("a dataset could not be looked up", "error", err)
			return nil, api.Invalid([]api.FieldError{{Field: fmt.Sprintf("[%d].entityId", i), Message: "the registry has no such subject, or does not answer"}})
		}
		one := found{entity: e, schema: schema}
		for j, field := range e.EntityMeta.Fields {
			path := fieldPath(field)
			if path == "" {
				return nil, api.Invalid([]api.FieldError{{Field: fmt.Sprintf("[%d].entityMeta.fields[%d]", i, j), Message: "must be a field as a JSON Pointer, such as /properties/person/properties/name, or a dotted path"}})
			}
			one.paths = append(one.paths, path)
		}
		if len(e.EntityMeta.Fields) == 0 {
			one.paths = transform.AttributePaths(schema)
		}
		all = append(all, one)
	}
	return func(p documents.PolicySet) ([]string, []object, []string, error) {
		labels, violated := []string{}, []string{}
		discovered := []object{}
		for _, one := range all {
			e, err := flowservice.Judge(p, action, func(r *transform.Rules) transform.Evaluation { return r.Evaluate(one.schema) }, nil, one.paths)
			if err != nil {
				return nil, nil, nil, err
			}
			byField := map[string][]string{}
			var order []string
			for _, carrier := range e.Labels {
				pointer := "/properties/" + strings.ReplaceAll(carrier.Field, ".", "/properties/")
				if byField[pointer] == nil {
					order = append(order, pointer)
				}
				byField[pointer] = append(byField[pointer], carrier.Label)
				if !slices.Contains(labels, carrier.Label) {
					labels = append(labels, carrier.Label)
				}
			}
			fields := []object{}
			for _, pointer := range order {
				fields = append(fields, object{"labels": byField[pointer], "path": pointer})
			}
			discovered = append(discovered, object{
				"entityType": one.EntityType, "entityId": one.EntityID,
				"dataSetLabels": object{"connection": object{"labels": []string{}}, "dataSet": object{"labels": []string{}}, "fields": fields},
			})
			violated = append(violated, violatedBy(e)...)
		}
		// Labels of all datasets together count as those of one use of the data.
		e, err := flowservice.Judge(p, action, func(r *transform.Rules) transform.Evaluation { return r.Evaluate(nil) }, labels, nil)
		slices.Sort(labels)
		return labels, discovered, append(violated, violatedBy(e)...), err
	}, nil
}

// fieldPath is a dotted path of a JSON Pointer into an XDM schema, or of itself.
func fieldPath(field string) string {
	if !strings.HasPrefix(field, "/") {
		return field
	}
	var names []string
	for part := range strings.SplitSeq(strings.TrimPrefix(field, "/"), "/") {
		if part != "properties" && part != "items" {
			names = append(names, part)
		}
	}
	return strings.Join(names, ".")
}

// bulk evaluates several jobs; each has its own status.
func (s *Service) bulk(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	jobs, ok := body.([]any)
	if !ok || len(jobs) == 0 || len(jobs) > maxJobs {
		return api.Refuse(api.CodeInvalid, "must be a list of 1 to %d evaluation jobs", maxJobs)
	}
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	answers := []object{}
	for _, job := range jobs {
		answer, err := s.job(r.Context(), c, v, job)
		refused, isRefusal := err.(*api.Error) //nolint:errorlint // refusals are not wrapped
		switch {
		case err == nil:
			answers = append(answers, object{"status": http.StatusOK, "body": answer})
		case isRefusal:
			answers = append(answers, object{"status": refused.Status, "error": refused})
		default:
			return err
		}
	}
	return api.Write(w, http.StatusOK, answers)
}

func (s *Service) job(ctx context.Context, c api.Caller, v documents.Reader, value any) (object, error) {
	var job struct {
		EvalRef      string   `json:"evalRef"`
		IncludeDraft bool     `json:"includeDraft"`
		Labels       []string `json:"labels"`
		EntityList   []entity `json:"entityList"`
	}
	if problems := api.Into(value, &job, "job"); len(problems) > 0 {
		return nil, api.Invalid(problems)
	}
	action, ok := actionOf(job.EvalRef)
	if !ok {
		return nil, api.Invalid([]api.FieldError{{Field: "evalRef", Message: "must be the address of a marketing action's constraints"}})
	}
	where := "custom"
	if strings.Contains(job.EvalRef, "marketingActions/core/") {
		where = "core"
	}
	if job.Labels != nil && job.EntityList != nil {
		return nil, api.Invalid([]api.FieldError{{Field: "labels", Message: "cannot be given together with entityList: make two jobs of it"}})
	}
	if job.EntityList != nil {
		judge, err := s.byEntities(ctx, c, action, job.EntityList)
		if err != nil {
			return nil, err
		}
		return s.verdicts(v, c, where, action, job.IncludeDraft, judge)
	}
	if err := checkLabels(job.Labels, "labels"); err != nil {
		return nil, err
	}
	return s.verdicts(v, c, where, action, job.IncludeDraft, byLabels(action, job.Labels))
}
