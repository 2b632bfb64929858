package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// checkCompose loads a compose file as docker compose does, and looks that what
// it mounts is there and that the pipeline has no rights that it does not need.
func checkCompose(args []string) (string, []error) {
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: filepath.Dir(args[0]), ConfigFiles: []types.ConfigFile{{Filename: args[0]}},
	})
	if err != nil {
		return "", []error{err}
	}
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for name, service := range project.Services {
		if _, tag, found := strings.Cut(service.Image, ":"); !found || tag == "latest" && name != "pipeline" {
			report("%s: the image %s has no version", name, service.Image)
		}
		for _, volume := range service.Volumes {
			if _, err := os.Stat(volume.Source); err != nil {
				report("%s mounts what is not there: %w", name, err)
			}
			if !volume.ReadOnly {
				report("%s may write to %s", name, volume.Source)
			}
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				report("%s: port %s is open to others", name, port.Published)
			}
		}
	}
	for _, name := range []string{"kafka", "registry", "kinesis", "pipeline", "prometheus", "grafana"} {
		if _, ok := project.Services[name]; !ok {
			report("there is no service %s", name)
		}
	}
	pipeline := project.Services["pipeline"]
	if !pipeline.ReadOnly || pipeline.User != "65532:65532" || len(pipeline.CapDrop) != 1 || pipeline.CapDrop[0] != "ALL" {
		report("pipeline must run as 65532:65532, with a read-only root and no capability")
	}
	return fmt.Sprintf("%d services load", len(project.Services)), problems
}
