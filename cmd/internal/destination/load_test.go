package destination

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/verify"

	"github.com/cockroachdb/datadriven"
)

// TestEveryMistakeOfAFileIsToldAtOnceWithLineAndKey replays testdata/config.
// "file" writes a file beside the configuration (with bom, crlf, utf16 or repeat
// as some programs would), "env" sets variables and "env-line" one with the end of
// its line, "load" loads the text and prints its problems, or the values asked for.
func TestEveryMistakeOfAFileIsToldAtOnceWithLineAndKey(t *testing.T) {
	datadriven.Walk(t, "testdata/config", func(t *testing.T, path string) {
		folder := t.TempDir()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				if err := os.WriteFile(filepath.Join(folder, d.CmdArgs[0].Key), encoded(d.Input+"\n", d.CmdArgs[1:]), 0o600); err != nil {
					t.Fatal(err)
				}
				return ""
			case "env-line":
				t.Setenv(d.CmdArgs[0].Key, d.Input+"\n")
				return ""
			case "env":
				for _, arg := range d.CmdArgs {
					t.Setenv(arg.Key, strings.Join(arg.Vals, ""))
				}
				return ""
			case "load":
				file := filepath.Join(folder, "destination.yaml")
				if err := os.WriteFile(file, []byte(d.Input), 0o600); err != nil {
					t.Fatal(err)
				}
				config, err := config.Load(file)
				if err != nil {
					return strings.ReplaceAll(err.Error(), folder+"/", "") + "\n"
				}
				return strings.ReplaceAll(show(t, config, d.CmdArgs), folder+"/", "{folder}/")
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

// encoded is a text as a program writes it that the arguments describe.
func encoded(text string, as []datadriven.CmdArg) []byte {
	for _, arg := range as {
		switch arg.Key {
		case "bom":
			text = "\ufeff" + text
		case "crlf":
			text = strings.ReplaceAll(text, "\n", "\r\n")
		case "utf16":
			text = "\xff\xfe" + strings.Join(strings.Split(text, ""), "\x00") + "\x00"
		case "repeat":
			n, _ := strconv.Atoi(arg.Vals[0]) // 0 shows in what is loaded
			text = strings.Repeat(text, n)
		}
	}
	return []byte(text)
}

// show prints the values at key paths.
func show(t *testing.T, cfg config.Config, paths []datadriven.CmdArg) string {
	var b strings.Builder
	b.WriteString("ok\n")
	for _, path := range paths {
		at := reflect.ValueOf(cfg)
		for key := range strings.SplitSeq(path.Key, ".") {
			fields := map[string]reflect.Value{}
			config.CollectFields(reflect.Indirect(at), fields)
			var ok bool
			if at, ok = fields[key]; !ok {
				t.Fatalf("no key %s", path.Key)
			}
		}
		value := at.Interface()
		if secret, ok := value.(func() (string, error)); ok {
			var err error
			if value, err = secret(); err != nil {
				value = err
			}
		}
		fmt.Fprintf(&b, "%s: %v\n", path.Key, value)
	}
	return b.String()
}

func TestAFileThatIsNotThereIsAProblem(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "missing.yaml"))
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Message != "cannot be read: no such file or directory" {
		t.Errorf("error %v", err)
	}
}

func TestNoMistakeQuotesASecret(t *testing.T) {
	const secret = "hunter-2"
	t.Setenv("SECRET", secret)
	for _, text := range []string{
		"source: {kafka: {sasl: {password: *hunter-2}}}",
		"source: {kafka: {sasl: {password: !hunter-2 x}}}",
		"source: {kafka: {sasl: {password: one,hunter-2}}}",
		"source: {kafka: {sasl: {password: [hunter-2]}}}",
		"source: {kafka: {sasl: {password: {hunter-2: }}}}",
		"source: {kafka: {sasl: hunter-2}}",
		"source: hunter-2",
		"hunter-2",
		"source: {kafka: {tls: {enabled: \"${SECRET}\"}}}",
		"source: {schemaRegistry: {url: \"http://user:${SECRET}@registry\"}}",
		"source: {schemaRegistry: {url: \"${SECRET}\"}}",
		"target: {kinesis: {region: \"${SECRET}!\", stream: \"${SECRET}!\", endpoint: \"${SECRET}\", aggregation: \"${SECRET}\", partitionKey: \"${SECRET}\"}}",
		"target: {kinesis: {credentials: {secretAccessKey: &hunter-2 }, retry: {maxInterval: \"${SECRET}\"}}}",
		"target: {kinesis: {credentials: {secretAccessKey: hunter-2, roleArn: \"${SECRET}\"}}}",
		"target: {kinesis: {credentials: {secretAccessKey: \"hunter-2}}}",
	} {
		_, err := config.Parse("destination.yaml", []byte(text))
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s:\n%v", text, err)
		}
	}
}

// Examples is the folder of the example configurations.
const Examples = "../../../deployments/examples"

func TestEveryExampleIsAValidDestination(t *testing.T) {
	t.Setenv("KINESIS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("KINESIS_SECRET_ACCESS_KEY", "example")
	t.Setenv("KAFKA_PASSWORD", "example")
	files, err := filepath.Glob(filepath.Join(Examples, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "../../../deployments/compose/destination.yaml")
	destinations := 0
	for _, file := range files {
		if filepath.Base(file) == "policies.yaml" {
			continue // raw-avro.yaml refers to it
		}
		destinations++
		config, err := config.Load(file)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		evaluations, _, err := verify.Evaluate(&config)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, e := range evaluations {
			if err := e.Err(); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if destinations < 3 {
		t.Errorf("%d examples in %s", destinations, Examples)
	}
}

func TestTheExamplesAreTheContractsOwn(t *testing.T) {
	for _, name := range []string{"destination.yaml", "policies.yaml"} {
		contract, err := os.ReadFile(filepath.Join("testdata/contract", name))
		if err != nil {
			t.Fatal(err)
		}
		example, err := os.ReadFile(filepath.Join(Examples, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(contract, example) {
			t.Errorf("%s differs from the contract's", name)
		}
	}
}
