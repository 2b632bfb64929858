package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// setUp are the services that make what others only read.
var setUp = []string{"control-secrets", "control-token"}

// writeCommands writes command lines, one a line, their words apart by tabs: what our
// program takes, it is asked itself.
func writeCommands[C ~[]string](file string, commands []C) error {
	var text strings.Builder
	for _, c := range commands {
		fmt.Fprintln(&text, strings.Join(c, "\t"))
	}
	return os.WriteFile(file, []byte(text.String()), 0o644)
}

// checkCompose loads a compose file as docker compose does, and looks that what
// it mounts is there and that our processes have no rights that they do not need. The
// command lines of these go to the file args[1], the script of control-secrets to args[1].secrets.
func checkCompose(args []string) (string, []error) {
	if len(args) != 2 {
		return "", []error{errors.New("compose FILE COMMANDS")}
	}
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: filepath.Dir(args[0]), ConfigFiles: []types.ConfigFile{{Filename: args[0]}},
	}, loader.WithProfiles([]string{"*"}))
	if err != nil {
		return "", []error{err}
	}
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for name, service := range project.Services {
		if _, tag, found := strings.Cut(service.Image, ":"); !found || tag == "latest" && service.Image != project.Services["pipeline"].Image {
			report("%s: the image %s has no version", name, service.Image)
		}
		for _, volume := range service.Volumes {
			named := volume.Type == types.VolumeTypeVolume
			if _, err := os.Stat(volume.Source); err != nil && !named {
				report("%s mounts what is not there: %w", name, err)
			}
			if !volume.ReadOnly && (!named || !slices.Contains(setUp, name)) {
				report("%s may write to %s", name, volume.Source)
			}
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				report("%s: port %s is open to others", name, port.Published)
			}
		}
	}
	for _, name := range []string{"kafka", "registry", "kinesis", "pipeline", "producer", "prometheus", "grafana", "control-plane"} {
		if _, ok := project.Services[name]; !ok {
			report("there is no service %s", name)
		}
	}
	var commands []types.ShellCommand
	for name, service := range project.Services {
		if service.Image != project.Services["pipeline"].Image {
			continue
		}
		commands = append(commands, service.Command)
		if !service.ReadOnly || service.User != "65532:65532" || len(service.CapDrop) != 1 || service.CapDrop[0] != "ALL" {
			report("%s must run as 65532:65532, with a read-only root and no capability", name)
		}
	}
	script := strings.Join(project.Services["control-secrets"].Command, "\n")
	if err := os.WriteFile(args[1]+".secrets", []byte(script), 0o644); err != nil {
		problems = append(problems, err)
	}
	if err := writeCommands(args[1], commands); err != nil {
		problems = append(problems, err)
	}
	return fmt.Sprintf("%d services load", len(project.Services)), problems
}
