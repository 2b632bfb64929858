package schemas

import (
	"fmt"
	"io"
	"os"
)

// maxKeyFile is four times the certificates of all authorities that systems trust.
const maxKeyFile = 1 << 20

// readSmall reads a file that the configuration names, and not without end: it may
// be a device, or a mistake.
func readSmall(name string, limit int) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
	if err == nil && len(text) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes: is it the file that was meant?", name, limit)
	}
	return text, err
}
