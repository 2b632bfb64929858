package policyservice

import (
	"net/http"
	"slices"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
)

// coreLabels are the platform's own, and what they mean.
var coreLabels = []struct{ name, category, description string }{
	{"C1", "Contract", "Only aggregated data goes out, without ids of persons or devices"},
	{"C2", "Contract", "The data does not go to third parties"},
	{"C3", "Contract", "The data is not combined with what identifies a person directly"},
	{"C4", "Contract", "The data is not used for targeting, on site or across sites; holds C5, C6 and C7"},
	{"C5", "Contract", "The data is not used for interest-based targeting across sites"},
	{"C6", "Contract", "The data is not used for advertising on site"},
	{"C7", "Contract", "The data is not used for content on site"},
	{"C8", "Contract", "The data is not used for measurement"},
	{"C9", "Contract", "The data is not used for data science"},
	{"C10", "Contract", "The data of stitched identities is not activated by one"},
	{"C11", "Contract", "The data is not shared by segment match"},
	{"C12", "Contract", "The data is never exported"},
	{"I1", "Identity", "Identifies a person directly"},
	{"I2", "Identity", "Identifies a person indirectly"},
	{"S1", "Sensitive", "A precise place"},
	{"S2", "Sensitive", "A geofence area"},
	{"PSPD", "Sensitive", "Personal data that is specially protected"},
	{"RHD", "Sensitive", "Regulated health data"},
	{"Third-Party", "Partner", "Comes from a third party"},
}

func showLabel(container, name, category, description string) object {
	return object{
		"name": name, "friendlyName": name, "category": category, "description": description,
		"_links": object{"self": object{"href": Base + "/labels/" + container + "/" + name}},
	}
}

// labels are those of a container. Custom ones are not declared anywhere: there are
// those that policies, sources and flows name.
func (s *Service) labels(v documents.Reader, sandbox, container string) ([]api.Item, error) {
	var items []api.Item
	var core []string
	for _, l := range coreLabels {
		core = append(core, l.name)
		if container == "core" {
			items = append(items, api.Item{ID: l.name, Fields: showLabel(container, l.name, l.category, l.description)})
		}
	}
	if container == "core" {
		return items, nil
	}
	var named []string
	policies, err := Policies(v, sandbox)
	if err != nil {
		return nil, err
	}
	for _, p := range policies.Custom.Policies {
		named = append(named, p.Deny.Labels()...)
	}
	for _, source := range s.o.Sources {
		if source.Sandbox != sandbox {
			continue
		}
		for _, labels := range source.FieldLabels {
			named = append(named, labels...)
		}
		for _, segment := range source.Segments {
			named = append(named, segment.Labels...)
		}
	}
	slices.Sort(named)
	for _, name := range slices.Compact(named) {
		if !slices.Contains(core, name) {
			items = append(items, api.Item{ID: name, Fields: showLabel(container, name, "Custom", "")})
		}
	}
	return items, nil
}

func (s *Service) listLabels(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	items, err := s.labelsOf(c, w, r)
	if err != nil {
		return err
	}
	return answerList(w, r, items)
}

func (s *Service) labelsOf(c api.Caller, w http.ResponseWriter, r *http.Request) ([]api.Item, error) {
	where, err := container(r)
	if err != nil {
		return nil, err
	}
	v, err := s.view(w, r)
	if err != nil {
		return nil, err
	}
	return s.labels(v, c.Sandbox, where)
}

func (s *Service) getLabel(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	items, err := s.labelsOf(c, w, r)
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.ID == r.PathValue("name") {
			return api.Write(w, http.StatusOK, item.Fields)
		}
	}
	return notFound("label", r.PathValue("name"))
}
