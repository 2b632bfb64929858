package web

import "net/url"

// sourceOf is the source that a flow reads.
func (p *page) sourceOf(f *flow) (string, error) {
	if len(f.SourceIDs) == 0 {
		return "", nil
	}
	var found list[struct {
		Params struct {
			Source string `json:"source"`
		} `json:"params"`
	}]
	if err := p.get(p.ctx(), flowService+"/sourceConnections/"+url.PathEscape(f.SourceIDs[0]), &found); err != nil {
		return "", err
	}
	if len(found.Items) > 0 && found.Items[0].Params.Source != "" {
		return found.Items[0].Params.Source, nil
	}
	all, err := p.sources() // the first one is what none means
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[0].Name, nil
}

// nameSegments gives activated segments that were chosen by their ids alone the names
// that the source knows. A name that is not known is no reason not to show a flow.
func (p *page) nameSegments(f *flow) {
	nameless := false
	for _, t := range f.Transformations {
		for _, s := range t.Params.Segment.Selectors {
			nameless = nameless || s.Value.Name == ""
		}
	}
	if !nameless {
		return
	}
	if p.names == nil { // a live page asks once
		p.names = p.knownNames(f)
	}
	for i := range f.Transformations {
		selectors := f.Transformations[i].Params.Segment.Selectors
		for j := range selectors {
			if selectors[j].Value.Name == "" {
				selectors[j].Value.Name = p.names[selectors[j].Value.ID]
			}
		}
	}
}

// knownNames are the names of the segments that the source of a flow lists, by their
// ids.
func (p *page) knownNames(f *flow) map[string]string {
	names := map[string]string{}
	source, err := p.sourceOf(f)
	var found list[listedSegment]
	if err == nil && source != "" {
		err = p.get(p.ctx(), flowService+"/sources/"+url.PathEscape(source)+"/segments?sample=false", &found)
	}
	if err != nil {
		p.h.o.Log.Warn("the names of segments are not known", "flow", f.ID, "error", err)
	}
	for _, s := range found.Items {
		names[s.ID] = s.Name
	}
	return names
}
