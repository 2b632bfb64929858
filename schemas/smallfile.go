package schemas

import (
	"errors"
	"fmt"

	"kinesis-destination/schemas/smallfile"
)

// maxKeyFile is four times the certificates of all authorities that systems trust.
const maxKeyFile = 1 << 20

// readSmall reads a file that the configuration names.
func readSmall(name string, limit int) ([]byte, error) {
	text, err := smallfile.Read(name, limit)
	var large *smallfile.TooLargeError
	switch {
	case errors.As(err, &large):
		return nil, fmt.Errorf("%s %w: is it the file that was meant?", name, err)
	case errors.Is(err, smallfile.ErrSilentPipe):
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return text, err
}
