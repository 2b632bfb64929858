package memory

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// containerQuarters is what of a container's limit the process may take: the kernel
// counts the buffers of its connections, page tables and pages of files against that
// limit, too.
const containerQuarters = 3

// Limits are what stands around a process.
type Limits struct {
	Machine   int64 // what it has; math.MaxInt64: not known
	Container int64 // of its cgroup; math.MaxInt64: none
	Collector int64 // GOMEMLIMIT; math.MaxInt64: none
}

// FindLimits looks at the process's own.
func FindLimits() Limits {
	l := Limits{Machine: math.MaxInt64, Container: math.MaxInt64, Collector: debug.SetMemoryLimit(-1)}
	// Without a limit, without cgroups, or where they cannot be read, the default stands.
	if bytes, err := memlimit.FromCgroup(); err == nil && bytes < math.MaxInt64 {
		l.Container = int64(bytes)
	}
	if bytes, err := memlimit.FromSystem(); err == nil && bytes > 0 && bytes < math.MaxInt64 {
		l.Machine = int64(bytes)
	}
	return l
}

// Usual is what a process may take that is not told.
func (l Limits) Usual() int64 { return l.UsualOf(1) }

// UsualOf is what a process may take that is not told and may have so many destinations.
func (l Limits) UsualOf(destinations int) int64 {
	return min(DefaultOf(destinations), l.Container/4*containerQuarters)
}
