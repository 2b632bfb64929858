package main

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/memory"
)

// memoryFlag is --memory of a command that moves events.
type memoryFlag struct {
	size  string
	flags *pflag.FlagSet
}

func (f *memoryFlag) bind(cmd *cobra.Command) {
	f.flags = cmd.Flags()
	cmd.Flags().StringVar(&f.size, "memory", "", fmt.Sprintf("what the whole process may take, resident (default %s, or three quarters of the container's limit if that is less)", memory.Text(memory.Default)))
}

// shares are what so many destinations make of the memory that there is.
func (f *memoryFlag) shares(destinations int, limits memory.Limits) (memory.Shares, error) {
	process, from := limits.Usual(), ""
	if err := saysNothing(f.flags, "take the default", "memory"); err != nil {
		return memory.Shares{}, usageError{err}
	}
	if f.size != "" {
		var err error
		if process, err = memory.ParseSize(f.size); err != nil {
			return memory.Shares{}, usageError{fmt.Errorf("--memory %w", err)}
		}
		if most := min(limits.Machine, limits.Container); process > most {
			return memory.Shares{}, usageError{fmt.Errorf("--memory %s is more than there is: %s", f.size, memory.Text(most))}
		}
	}
	shares, err := memory.Divide(process, limits.Collector, destinations)
	if little, ok := errors.AsType[memory.TooLittle](err); ok {
		switch {
		case limits.Collector < math.MaxInt64 && little.Process < process:
			from = "GOMEMLIMIT: "
		case f.size != "":
			from = "--memory: "
		case process < memory.Default:
			from = fmt.Sprintf("the container's limit of %s: ", memory.Text(limits.Container))
		}
		plural := "s"
		if destinations == 1 {
			plural = ""
		}
		return shares, usageError{fmt.Errorf("%s%w for %d destination%s", from, err, destinations, plural)}
	}
	return shares, err
}

// apply gives the configurations their budgets, and Go its limit until the command ends.
func (f *memoryFlag) apply(configs []config.Config) (end func(), err error) {
	shares, err := f.shares(len(configs), memory.FindLimits())
	if err != nil {
		return nil, err
	}
	shares.Apply(configs)
	before := debug.SetMemoryLimit(shares.Collector)
	return func() { debug.SetMemoryLimit(before) }, nil
}
