package flowservice

import (
	"strings"

	"kinesis-destination/cmd/internal/control/documents"
)

// Wish is what the data plane knows of a flow before its configuration.
type Wish struct {
	Sandbox, ID string
	Enabled     bool
	Created     int64 // milliseconds

	keys []string // of the documents that the configuration is made of
}

// WishOf reads a flow's document.
func WishOf(v documents.Reader, e documents.Entry) (Wish, error) {
	w := Wish{Sandbox: sandboxOf(e.Key), ID: documents.ID(e.Key), keys: []string{e.Key}}
	var f Flow
	if err := documents.Decode(e, &f); err != nil {
		return w, err
	}
	w.Enabled, w.Created = f.State == stateEnabled, f.CreatedAt
	for _, id := range f.SourceConnectionIDs {
		w.keys = append(w.keys, documents.Key(documents.SourceConnections, w.Sandbox, id))
	}
	for _, id := range f.TargetConnectionIDs {
		key := documents.Key(documents.TargetConnections, w.Sandbox, id)
		w.keys = append(w.keys, key)
		var t TargetConnection
		if target, ok := v.Get(key); ok && documents.Decode(target, &t) == nil {
			w.keys = append(w.keys, documents.Key(documents.Connections, w.Sandbox, t.BaseConnectionID))
		}
	}
	return w, nil
}

// Version is that of all that the flow's configuration is made of. What is not enabled
// nobody judges by policies.
func (w Wish) Version(v documents.Reader) string {
	var versions []string
	for _, key := range w.keys {
		e, _ := v.Get(key)
		versions = append(versions, e.Etag)
	}
	if w.Enabled {
		versions = append(versions, v.Version(documents.AllGovernance))
	}
	return strings.Join(versions, " ")
}
