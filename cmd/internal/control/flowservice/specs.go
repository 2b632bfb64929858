package flowservice

// The ids of the platform's specifications.
const (
	KinesisSpec = "86043421-563b-46ec-8e6c-e23184711bf6"
	ProfileSpec = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
	FlowSpec    = "71471eba-b620-49e4-90fd-23f1fa0174d8"

	specVersion = "1.0"
)

// The ways to authenticate with Kinesis.
const (
	AuthKeys    = "Aws Kinesis authentication credentials"
	AuthRole    = "Aws Kinesis assumed role"
	AuthDefault = "Aws Kinesis default chain"
)

// Spec names a specification.
type Spec struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

type object = map[string]any

func property(kind, description string, more ...any) object {
	o := object{"type": kind, "description": description}
	for i := 0; i+1 < len(more); i += 2 {
		name, _ := more[i].(string)
		o[name] = more[i+1]
	}
	return o
}

func schema(properties object, required ...string) object {
	return object{"type": "object", "properties": properties, "required": append([]string{}, required...)}
}

// connectionSpecs are the specifications of connections, the destination first.
func connectionSpecs() []object {
	region := property("string", "the stream's AWS region")
	keys := object{"name": AuthKeys, "type": "KeyBased", "spec": schema(object{
		"accessKeyId": property("string", "the AWS access key id"),
		"secretKey":   property("string", "the AWS secret access key", "format", "password"),
		"region":      region,
	}, "accessKeyId", "secretKey", "region")}
	role := object{"name": AuthRole, "type": "AssumedRole", "spec": schema(object{
		"roleArn": property("string", "the role to assume; may be given later, when it trusts the external id of the connection"),
		"region":  region,
	}, "region")}
	chain := object{"name": AuthDefault, "type": "DefaultChain", "spec": schema(object{"region": region}, "region")}
	return []object{
		{
			"id": KinesisSpec, "name": "Amazon Kinesis", "version": specVersion, "providerId": "kinesis-destination", "type": "target",
			"description": "Records of activated segments to an Amazon Kinesis data stream, in order per identity",
			"authSpec":    []object{keys, role, chain},
			"targetSpec": object{"name": "Amazon Kinesis", "type": "Stream", "spec": schema(object{
				"stream":                   property("string", "an existing stream, by name or ARN"),
				"region":                   region,
				"includeSegmentNames":      property("boolean", "adds the names of activated segments"),
				"includeSegmentTimestamps": property("boolean", "adds the four times of activated segments"),
				"marketingActions":         object{"type": "array", "items": object{"type": "string"}, "description": "what the exported data is used for"},
			}, "stream", "region")},
		},
		{
			"id": ProfileSpec, "name": "Profile Service", "version": specVersion, "providerId": "kinesis-destination", "type": "source",
			"description": "Segment evaluations of a source that the operator configured",
			"sourceSpec": object{"name": "Profile Service", "type": "ProfileFragments", "spec": schema(object{
				"source": property("string", "the name of a source; left out: the first one"),
				"group":  property("string", "the consumer group; left out: the flow's id"),
			})},
		},
	}
}

func flowSpecs() []object {
	return []object{{
		"id": FlowSpec, "name": "Segments to streaming destinations", "version": specVersion, "providerId": "kinesis-destination",
		"description":             "Profiles of activated segments, with their mapped attributes, as they change",
		"sourceConnectionSpecIds": []string{ProfileSpec},
		"targetConnectionSpecIds": []string{KinesisSpec},
		"transformationSpec":      []object{{"name": generalTransform}},
		"permissionsInfo":         object{"manage": []object{{"name": "DESTINATIONS_MANAGE"}}, "view": []object{{"name": "DESTINATIONS_VIEW"}}},
	}}
}
