package web

// The documents of the flow service, as far as the pages show them.

// meta is what every document has.
type meta struct {
	ID        string `json:"id"`
	Etag      string `json:"etag"`
	CreatedAt int64  `json:"createdAt"` // milliseconds
	UpdatedAt int64  `json:"updatedAt"`
	CreatedBy string `json:"createdBy"`
	UpdatedBy string `json:"updatedBy"`
}

// spec names a specification.
type spec struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// account is a connection with a provider.
type account struct {
	meta
	Name        string `json:"name"`
	Description string `json:"description"`
	Spec        spec   `json:"connectionSpec"`
	Auth        struct {
		SpecName string `json:"specName"`
		Params   struct {
			Region   string `json:"region"`
			RoleARN  string `json:"roleArn"`
			Endpoint string `json:"connectionUrl"`
		} `json:"params"`
	} `json:"auth"`
	State       string `json:"state"`
	Validated   bool   `json:"validated"`
	ExternalID  string `json:"externalId"`
	TrustPolicy any    `json:"trustPolicy"`
}

// target is where a flow writes.
type target struct {
	meta
	Name   string `json:"name"`
	BaseID string `json:"baseConnectionId"`
	Params struct {
		Stream           string   `json:"stream"`
		Region           string   `json:"region"`
		MarketingActions []string `json:"marketingActions"`
		Names            bool     `json:"includeSegmentNames"`
		Timestamps       bool     `json:"includeSegmentTimestamps"`
		Unmapped         string   `json:"unmappedSegments"`
	} `json:"params"`
}

// flow is a destination.
type flow struct {
	meta
	Name            string           `json:"name"`
	Description     string           `json:"description"`
	State           string           `json:"state"`
	SourceIDs       []string         `json:"sourceConnectionIds"`
	TargetIDs       []string         `json:"targetConnectionIds"`
	Transformations []transformation `json:"transformations"`
}

// transformation is what a flow exports.
type transformation struct {
	Params struct {
		Profile struct {
			Selectors []struct {
				Value struct {
					Path string `json:"path"`
				} `json:"value"`
			} `json:"selectors"`
		} `json:"profileSelectors"`
		Segment struct {
			Selectors []struct {
				Value struct {
					ID   string `json:"id"`
					Name string `json:"name"`
				} `json:"value"`
			} `json:"selectors"`
		} `json:"segmentSelectors"`
	} `json:"params"`
}

// Segments are the ids of the activated segments, in their order.
func (f *flow) Segments() []string {
	ids := []string{}
	for _, t := range f.Transformations {
		for _, s := range t.Params.Segment.Selectors {
			ids = append(ids, s.Value.ID)
		}
	}
	return ids
}

// SegmentName is what people call an activated segment: its id where it has no name.
func (f *flow) SegmentName(id string) string {
	for _, t := range f.Transformations {
		for _, s := range t.Params.Segment.Selectors {
			if s.Value.ID == id && s.Value.Name != "" {
				return s.Value.Name
			}
		}
	}
	return id
}

// Attributes are the paths of the mapped attributes, in their order.
func (f *flow) Attributes() []string {
	paths := []string{}
	for _, t := range f.Transformations {
		for _, s := range t.Params.Profile.Selectors {
			paths = append(paths, s.Value.Path)
		}
	}
	return paths
}

// The ids of the specifications.
const (
	kinesisSpec = "86043421-563b-46ec-8e6c-e23184711bf6"
	profileSpec = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
	flowSpec    = "71471eba-b620-49e4-90fd-23f1fa0174d8"
	specVersion = "1.0"
)
