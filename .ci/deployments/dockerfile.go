package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// number is a user and group that Kubernetes can tell from root.
var number = regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`)

// digest ends the name of an image that is always the same one.
var digest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

// checkDockerfile reads a Dockerfile as BuildKit does and looks at what of the
// image does not need building it.
func checkDockerfile(args []string) (string, []error) {
	file, err := os.Open(args[0])
	if err != nil {
		return "", []error{err}
	}
	defer func() { _ = file.Close() }()
	parsed, err := parser.Parse(file)
	if err != nil {
		return "", []error{err}
	}
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, warning := range parsed.Warnings {
		report("%s", warning.Short)
	}
	stages, _, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{
		Warn: func(rule, _, _, message string, _ []parser.Range) { report("%s: %s", rule, message) },
	}))
	if err != nil {
		return "", append(problems, err)
	}
	if len(stages) != 2 {
		return "", append(problems, errors.New("there must be a stage that builds and one that runs"))
	}
	var user, entrypoint string
	for _, command := range stages[1].Commands {
		switch c := command.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			if !c.PrependShell {
				entrypoint = strings.Join(c.CmdLine, " ")
			}
		case *instructions.RunCommand:
			report("the image that runs has no shell, and RUN needs one")
		case *instructions.CopyCommand:
			if c.From != stages[0].Name {
				report("the image that runs takes files from elsewhere than the build")
			}
		}
	}
	if !number.MatchString(user) {
		report("USER must be the number of a user and group that are not root, and is %q", user)
	}
	if entrypoint == "" {
		report("ENTRYPOINT must name the binary without a shell, or no signal reaches it")
	}
	if strings.Contains(stages[1].BaseName, ":latest") || !strings.Contains(stages[1].BaseName, ":") {
		report("the base image %s has no version", stages[1].BaseName)
	}
	for _, stage := range stages {
		if !digest.MatchString(stage.BaseName) {
			report("the base image %s has no digest: a tag may lead elsewhere tomorrow", stage.BaseName)
		}
	}
	return fmt.Sprintf("%d stages read, on %s as %s", len(stages), stages[1].BaseName, user), problems
}
