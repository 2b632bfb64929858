package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// An export is lines of JSON: a header, each document, and how many those were, so
// that one that was cut off is none.
const exportFormat = "kinesis-destination control export 1"

type exportHeader struct {
	Format string    `json:"format"`
	Store  string    `json:"store"`
	Next   int64     `json:"next"`
	At     time.Time `json:"at"`
}

type exportLine struct {
	keptDoc
	Documents *int `json:"documents"` // in the last line
}

type exportEnd struct {
	Documents int `json:"documents"`
}

// Export writes the documents as they are, sealed secrets as they are sealed. It is
// a copy of what is in memory where the log cannot be read any more: fresh says which.
func (s *Store) Export(ctx context.Context, w io.Writer) (documents int, fresh Freshness, err error) {
	snapshot, fresh := s.Read(ctx)
	if fresh.Partial {
		return 0, fresh, fmt.Errorf("the log could not be read to its end, so there is no whole state to export: %w", fresh.Why)
	}
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	err = lines.Encode(exportHeader{exportFormat, snapshot.Store, snapshot.Next, time.Now().UTC().Truncate(time.Second)})
	for _, d := range snapshot.docs {
		if err == nil {
			err = lines.Encode(keptDoc{d.Key, d.offset, d.Created, d.Changed, d.Body})
		}
	}
	if err == nil {
		err = lines.Encode(exportEnd{len(snapshot.docs)})
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return 0, fresh, fmt.Errorf("write the export: %w", err)
	}
	return len(snapshot.docs), fresh, nil
}

// Import adds the documents of an export to a store that has none but these: an
// import that was cut off goes on where it ended. Who had written them, and when, is
// in the export; the store has the import.
func (s *Store) Import(ctx context.Context, in io.Reader, by string) (added int, err error) {
	docs, header, err := readExport(in)
	if err != nil {
		return 0, err
	}
	snapshot, fresh := s.Read(ctx)
	if !fresh.Fresh {
		return 0, fmt.Errorf("the store is not at its log's end: %w", fresh.Why)
	}
	missing, err := missingDocs(snapshot, docs)
	if err != nil {
		return 0, err
	}
	why := fmt.Sprintf("import of store %s as of offset %d", header.Store, header.Next)
	for len(missing) > 0 {
		n, size := 0, 0
		for n < len(missing) && n < maxDocs && (n == 0 || size+len(missing[n].Body)+len(missing[n].Key) <= partBytes) {
			size += len(missing[n].Body) + len(missing[n].Key)
			n++
		}
		if _, err := s.Propose(ctx, Change{Docs: missing[:n], By: by, Why: why}); err != nil {
			return added, fmt.Errorf("after %d documents: %w", added, err)
		}
		added, missing = added+n, missing[n:]
	}
	return added, nil
}

// missingDocs are those that a store has not yet. It must have no others.
func missingDocs(snapshot *Snapshot, docs []keptDoc) ([]Doc, error) {
	var missing []Doc
	there := 0
	for _, d := range docs {
		now, ok := snapshot.Get(d.Key)
		switch {
		case !ok:
			missing = append(missing, Doc{Key: d.Key, Body: d.Body})
		case !bytes.Equal(now.Body, d.Body):
			return nil, fmt.Errorf("%s is in the store, and another one: an import needs a store without documents", d.Key)
		default:
			there++
		}
	}
	if others := len(snapshot.docs) - there; others > 0 {
		return nil, fmt.Errorf("the store has %d documents that the export has not: an import needs a store without documents", others)
	}
	return missing, nil
}

func readExport(in io.Reader) (docs []keptDoc, header exportHeader, err error) {
	lines := json.NewDecoder(in)
	if err := lines.Decode(&header); err != nil || header.Format != exportFormat {
		return nil, header, fmt.Errorf("it does not begin as %q does", exportFormat)
	}
	for {
		var line exportLine
		if err := lines.Decode(&line); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, header, errors.New("the export is cut off: its last line, which counts the documents, is missing")
			}
			return nil, header, fmt.Errorf("document %d: %w", len(docs)+1, err)
		}
		switch {
		case line.Documents != nil && *line.Documents == len(docs):
			return docs, header, nil
		case line.Documents != nil:
			return nil, header, fmt.Errorf("the export has %d documents, and should have %d", len(docs), *line.Documents)
		case validKey(line.Key) != nil || len(line.Body) == 0 || line.Body[0] != '{':
			return nil, header, fmt.Errorf("document %d: it must have a key and be a JSON object", len(docs)+1)
		}
		docs = append(docs, line.keptDoc)
	}
}
