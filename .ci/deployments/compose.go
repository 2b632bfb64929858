package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// ours are the services that run our image, of whatever version was built.
var ours = []string{"pipeline", "producer"}

// checkCompose loads a compose file as docker compose does, and looks that what
// it mounts is there and that what is of ours has no rights that it does not need.
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
		if _, tag, found := strings.Cut(service.Image, ":"); !found || tag == "latest" && !slices.Contains(ours, name) {
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
	for _, name := range append([]string{"kafka", "registry", "kinesis", "prometheus", "grafana"}, ours...) {
		if _, ok := project.Services[name]; !ok {
			report("there is no service %s", name)
		}
	}
	for _, name := range ours {
		s := project.Services[name]
		if !s.ReadOnly || s.User != "65532:65532" || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" {
			report("%s must run as 65532:65532, with a read-only root and no capability", name)
		}
	}
	return fmt.Sprintf("%d services load", len(project.Services)), problems
}
