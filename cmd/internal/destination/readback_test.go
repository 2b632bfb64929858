package destination

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"

	"kinesis-destination/sink/embeddedkinesis"
)

func (s *site) readBack(records []embeddedkinesis.Record) {
	s.t.Helper()
	program := os.Getenv("KINESIS_READBACK")
	if program == "" || s.embedded != nil {
		return
	}
	var stderr bytes.Buffer
	command := exec.Command(program, s.name)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		s.t.Fatalf("read back: %v\n%s", err, &stderr)
	}
	byKey := map[string][]string{}
	for _, r := range records {
		byKey[r.PartitionKey] = append(byKey[r.PartitionKey], string(r.Data))
	}
	decoder, n := json.NewDecoder(bytes.NewReader(out)), 0
	for {
		var r struct {
			PartitionKey string
			Data         []byte
		}
		if err := decoder.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			s.t.Fatal("read back:", err)
		}
		n++
		rest := byKey[r.PartitionKey]
		if len(rest) == 0 || rest[0] != string(r.Data) {
			s.t.Fatalf("the independent client sees another record %d", n)
		}
		byKey[r.PartitionKey] = rest[1:]
	}
	if n != len(records) {
		s.t.Fatalf("the independent client reads %d records, we %d", n, len(records))
	}
	s.t.Logf("an independent client reads back the same %d records", n)
}
