package server_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/sources"
)

// The platform's tutorial, call by call, each with its published body: only the host
// and what stands in braces is replaced.
func TestThePlatformsTutorialWorksCallByCall(t *testing.T) {
	r := newRig(t)
	specs := r.call("GET", flowservice+"/connectionSpecs", "", "Content-Type", "", "accept", "application/json").is(200)
	if specs.str("items", 0, "id") != kinesisSpec || specs.str("items", 0, "name") != "Amazon Kinesis" {
		t.Fatalf("connectionSpecs: %s", specs.text)
	}
	base := r.call("POST", flowservice+"/connections", `{
            "name": "Base connection to Experience Platform",
            "description": "This call establishes the connection to Experience Platform data",
            "connectionSpec": {
                "id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1",
                "version": "1.0"
            }
}`).is(201)
	if base.header.Get("Location") != flowservice+"/connections/"+base.str("id") || base.str("etag") == "" {
		t.Errorf("the answer has no address or etag: %v %s", base.header, base.text)
	}
	source := r.call("POST", flowservice+"/sourceConnections", `{
            "name": "Connecting to Profile Service",
            "description": "Optional",
            "connectionSpec": {
                "id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1",
                "version": "1.0"
            },
            "baseConnectionId": "`+base.str("id")+`",
            "data": {
                "format": "json"
            },
            "params" : {}
}`).is(201)
	account := r.call("POST", flowservice+"/connections", `{
    "name": "Connection for Amazon Kinesis/ Azure Event Hubs",
    "description": "summer advertising campaign",
    "connectionSpec": {
        "id": "86043421-563b-46ec-8e6c-e23184711bf6",
        "version": "1.0"
    },
    "auth": {
        "specName": "Aws Kinesis authentication credentials",
        "params": {
            "accessKeyId": "`+accessKey+`",
            "secretKey": "`+secretKey+`",
            "region": "us-east-1"
        }
    }
}`).is(201)
	target := r.call("POST", flowservice+"/targetConnections", `{
    "name": "Amazon Kinesis/ Azure Event Hubs target connection",
    "description": "Connection to Amazon Kinesis/ Azure Event Hubs",
    "baseConnectionId": "`+account.str("id")+`",
    "connectionSpec": {
        "id": "86043421-563b-46ec-8e6c-e23184711bf6",
        "version": "1.0"
    },
    "data": {
        "format": "json"
    },
    "params": {
        "stream": "leads",
        "region": "us-east-1"
    }
}`, "x-sandbox-name", "").is(201)
	flow := r.call("POST", flowservice+"/flows", `{
  "name": "Azure Event Hubs",
  "description": "Azure Event Hubs",
  "flowSpec": {
    "id": "71471eba-b620-49e4-90fd-23f1fa0174d8",
    "version": "1.0"
  },
  "sourceConnectionIds": [
    "`+source.str("id")+`"
  ],
  "targetConnectionIds": [
    "`+target.str("id")+`"
  ],
  "transformations": [
    {
      "name": "GeneralTransform",
      "params": {
        "profileSelectors": {
          "selectors": [

          ]
        },
        "segmentSelectors": {
          "selectors": [

          ]
        }
      }
    }
  ]
}`).is(201)
	id := flow.str("id")
	patched := r.call("PATCH", flowservice+"/flows/"+id, `[
  {
    "op": "add",
    "path": "/transformations/0/params/segmentSelectors/selectors/-",
    "value": {
      "type": "PLATFORM_SEGMENT",
      "value": {
        "name": "Name of the segment that you are activating",
        "description": "Description of the segment that you are activating",
        "id": "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"
      }
    }
  },
  {
    "op": "add",
    "path": "/transformations/0/params/profileSelectors/selectors/-",
    "value": {
      "type": "JSON_PATH",
      "value": {
        "operator": "EXISTS",
        "path": "personalEmail.address"
      }
    }
  }
]`, "If-Match", `"`+flow.str("etag")+`"`).is(202)
	// The published curl of the last step is a PATCH without a body; its prose says GET.
	r.call("PATCH", flowservice+"/flows/"+id, "", "x-sandbox-name", "prod", "If-Match", `"`+patched.str("etag")+`"`).is(400).says("1405-400", "use GET")
	got := r.call("GET", flowservice+"/flows/"+id, "", "Content-Type", "").is(200)
	selectors := []any{"items", 0, "transformations", 0, "params"}
	if s := got.str(append(selectors, "segmentSelectors", "selectors", 0, "value", "id")...); s != "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02" {
		t.Errorf("the segment is %q", s)
	}
	if s := got.str(append(selectors, "profileSelectors", "selectors", 0, "value", "path")...); s != "personalEmail.address" {
		t.Errorf("the attribute is %q", s)
	}
	if got.str("items", 0, "state") != "enabled" || got.str("items", 0, "etag") != patched.str("etag") || got.str("items", 0, "sandboxName") != "prod" || got.str("items", 0, "imsOrgId") != "{ORG_ID}" {
		t.Errorf("the flow: %s", got.text)
	}
	if got.str("items", 0, "inheritedAttributes", "targetConnections", 0, "baseConnection", "id") != account.str("id") {
		t.Errorf("inheritedAttributes: %s", got.text)
	}
	view, _ := r.store.View(t.Context())
	c, err := r.server.Flows.Config(view, "prod", id)
	if err != nil {
		t.Fatal(err)
	}
	if key, err := c.Target.Kinesis.Credentials.SecretAccessKey(); err != nil || key != secretKey {
		t.Errorf("the keys do not reach the data plane: %v", err)
	}
	if c.Source.Kafka.Group != id || c.Target.Kinesis.Stream != "leads" || !c.Activation.Backfill.NewSegments || len(c.Activation.Segments) != 1 || c.Activation.Attributes[0] != "personalEmail.address" {
		t.Errorf("the configuration: %+v", c)
	}
	for _, change := range r.store.Changes() {
		for _, w := range change.Writes {
			if strings.Contains(string(w.Doc), secretKey) || strings.Contains(string(w.Doc), accessKey) {
				t.Errorf("a document holds a key as it is: %s", w.Doc)
			}
		}
	}
	if strings.Contains(r.log.String(), secretKey) {
		t.Error("the log holds the key")
	}
}

// The script of the tutorial, as a user runs it.
func TestTheTutorialsScriptWorks(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	r := newRig(t)
	script := exec.CommandContext(t.Context(), "bash", "../../../../deployments/http/tutorial.sh")
	script.Env = append(os.Environ(), "SERVE_URL="+r.http.URL, "STREAM=leads", "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "no_proxy=127.0.0.1")
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"8. look at the dataflow", `"path":"personalEmail.address"`, `"id":"72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s nowhere: %s", want, out)
		}
	}
	if strings.Contains(string(out), secretKey) {
		t.Error("the script shows the key")
	}
	script = exec.CommandContext(t.Context(), "bash", "../../../../deployments/http/tutorial.sh")
	script.Env = append(os.Environ(), "SERVE_URL="+r.http.URL, "STREAM=nowhere", "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "no_proxy=127.0.0.1")
	said := &strings.Builder{} // what it says of a refusal, apart from answers that it reads itself
	script.Stderr = said
	if out, err := script.Output(); err == nil || !strings.Contains(said.String(), "refused: POST /targetConnections") || !strings.Contains(said.String(), "nowhere") {
		t.Errorf("with a stream that there is not: %v: %s %s", err, out, said)
	}
}

// The tutorial for the HTTP clients of editors, as they run it: requests apart by ###, each
// with variables of the file, of the environment and of answers before it.
func TestTheTutorialForEditorsWorks(t *testing.T) {
	text, err := os.ReadFile("../../../../deployments/http/tutorial.http")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	known := map[string]string{"$processEnv AWS_ACCESS_KEY_ID": accessKey, "$processEnv AWS_SECRET_ACCESS_KEY": secretKey}
	variable := regexp.MustCompile(`\{\{([^{}]+)\}\}`)
	parts := strings.Split(string(text), "\n### ")
	for line := range strings.SplitSeq(parts[0], "\n") {
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "@"), " = "); ok && strings.HasPrefix(line, "@") {
			known[name] = value
		}
	}
	var last answer
	for _, part := range parts[1:] {
		part = variable.ReplaceAllStringFunc(part, func(reference string) string {
			value, ok := known[strings.Trim(reference, "{}")]
			if !ok {
				t.Errorf("%s stands for nothing", reference)
			}
			return value
		})
		head, body, _ := strings.Cut(part, "\n\n")
		lines := strings.Split(head, "\n")[1:] // the first one is its title
		name := ""
		if is, ok := strings.CutPrefix(lines[0], "# @name "); ok {
			name, lines = is, lines[1:]
		}
		method, url, _ := strings.Cut(lines[0], " ")
		at, ok := strings.CutPrefix(url, "http://127.0.0.1:8090")
		if !ok {
			t.Errorf("%s is not where serve listens by itself", url)
		}
		var headers []string
		for _, line := range lines[1:] {
			header, value, _ := strings.Cut(line, ": ")
			headers = append(headers, header, value)
		}
		if last = r.call(method, at, body, headers...); last.status/100 != 2 {
			t.Fatalf("%s: %d %s", lines[0], last.status, last.text)
		}
		if name != "" {
			known[name+".response.body.id"], known[name+".response.body.etag"] = last.str("id"), last.str("etag")
		}
	}
	last.says("72ddd79b-6b0a-4e97-a8d2-112ccd81bd02", "personalEmail.address")
}

// The source beside the tutorial is one that serve takes.
func TestTheSourceBesideTheTutorialIsRead(t *testing.T) {
	source, err := sources.Load("../../../../deployments/http/source.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if source.Name != "profiles" || source.Sandbox != "prod" || len(source.Segments) != 1 || source.Segments[0].CreatedAt == nil {
		t.Errorf("%+v", source)
	}
}
