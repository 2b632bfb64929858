package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kinesis-destination/schemas/suggest"
)

// wrongFlag says what a flag takes, and which one was probably meant.
func wrongFlag(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, "--"+f.Name)
			}
		})
		return wrongUse(cmd, fmt.Errorf("%w%s", err, suggest.DidYouMean("--"+unknown.GetSpecifiedName(), known)))
	}
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return wrongUse(cmd, err)
	}
	var must string
	switch invalid.GetFlag().Value.Type() {
	case "int", "int64":
		must = "must be a whole number"
	case "uint64":
		must = "must be a whole number that is not negative"
	case "float64":
		must = "must be a number"
	case "bool":
		must = "must be true or false"
	case "duration":
		must = "must be a duration, such as 30s or 5m"
	default: // of our own, which says it
		return wrongUse(cmd, err)
	}
	if errors.Is(err, strconv.ErrRange) {
		must = "is too large"
	}
	return wrongUse(cmd, fmt.Errorf("--%s %q: %s", invalid.GetFlag().Name, invalid.GetValue(), must))
}

// commandMeant is a half sentence that names which command below another was probably
// meant by a word; empty where none is near.
func commandMeant(above *cobra.Command, word string) string {
	var known []string
	for _, c := range above.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			known = append(known, c.Name())
		}
	}
	return suggest.DidYouMean(word, known)
}
