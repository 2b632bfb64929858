package memory

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// errSize says how sizes are written.
var errSize = errors.New("must be a size, such as 160MiB, 1GiB or 200MB")

var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"B", 1}}

// ParseSize reads a size: a number with a unit, of which Kubernetes' are some.
func ParseSize(text string) (int64, error) {
	for _, unit := range units {
		if number, ok := strings.CutSuffix(text, unit.name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
			if err != nil || n <= 0 || n > math.MaxInt64/unit.bytes {
				return 0, errSize
			}
			return n * unit.bytes, nil
		}
	}
	return 0, errSize
}

// Text is a size as people read it.
func Text(bytes int64) string {
	if bytes%mib == 0 {
		return fmt.Sprintf("%dMiB", bytes/mib)
	}
	return fmt.Sprintf("%.1fMiB", float64(bytes)/mib)
}
