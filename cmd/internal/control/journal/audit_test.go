package journal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestTheAuditHasEveryEntryAlsoWhatWasRefused(t *testing.T) {
	s := openDir(t, t.TempDir())
	defer closed(t, s)
	s.put(t, doc("flows/a", "", `{}`))
	if _, err := s.Propose(t.Context(), Change{Docs: []Doc{doc("flows/a", "", `{"n":1}`)}, By: "other"}); err == nil {
		t.Fatal("a document was made twice")
	}
	if _, err := s.Propose(t.Context(), Change{Docs: []Doc{doc("flows/a", "", `{"secret":1}`)}, By: "third", Refused: "policy core/C2"}); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	err := s.Audit(t.Context(), func(a Audited) error {
		fmt.Fprintf(&got, "%d %s by %q: %s", a.Offset, a.Verdict, a.By, a.Reason)
		for _, d := range a.Docs {
			fmt.Fprintf(&got, " %s=%s", d.Key, d.Body)
		}
		for _, d := range a.Differs {
			fmt.Fprintf(&got, " was %q", strings.TrimPrefix(d.Present, s.Status().Store))
		}
		got.WriteString("\n")
		return nil
	})
	want := "0 marked by \"\": \n1 applied by \"someone\":  flows/a={}\n2 conflict by \"other\":  flows/a={\"n\":1} was \"-1\"\n3 refused by \"third\": policy core/C2 flows/a=null\n"
	if err != nil || got.String() != want {
		t.Errorf("%v\n%s", err, &got)
	}
	stop := errors.New("enough")
	if err := s.Audit(t.Context(), func(Audited) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestATrailGoesOnWhereItEnded(t *testing.T) {
	s := openDir(t, t.TempDir())
	defer closed(t, s)
	var got []string
	trail := s.Trail()
	next := func(want string) {
		t.Helper()
		got = nil
		err := trail.Next(t.Context(), func() { got = append(got, "anew") }, func(a Audited) error {
			got = append(got, fmt.Sprintf("%d %s", a.Offset, a.Verdict))
			return nil
		})
		if said := strings.Join(got, ", "); err != nil || said != want {
			t.Errorf("%v: %s, wanted %s", err, said, want)
		}
	}
	first := s.put(t, doc("flows/a", "", `{}`))
	next("anew, 0 marked, 1 applied")
	next("")
	s.put(t, doc("flows/a", first, `{"n":1}`))
	next("2 applied")
	trail.r.next = 99 // the log was made anew, and is shorter
	next("anew, 0 marked, 1 applied, 2 applied")
	failure := errors.New("no more")
	s.put(t, doc("flows/b", "", `{}`))
	if err := trail.Next(t.Context(), func() {}, func(Audited) error { return failure }); !errors.Is(err, failure) {
		t.Error(err)
	}
	next("anew, 0 marked, 1 applied, 2 applied, 3 applied")
}

func TestAnExportBecomesTheSameDocumentsInAnotherStore(t *testing.T) {
	from, to := openDir(t, t.TempDir()), openDir(t, t.TempDir())
	defer closed(t, from)
	defer closed(t, to)
	for n := 0; n < 2500; n += 500 {
		var docs []Doc
		for i := n; i < n+500; i++ {
			docs = append(docs, doc(fmt.Sprintf("flows/%d", i), "", `{"text":"<&> `+strings.Repeat("x", i%500)+`"}`))
		}
		if _, err := from.Propose(t.Context(), Change{Docs: docs}); err != nil {
			t.Fatal(err)
		}
	}
	var export bytes.Buffer
	if n, fresh, err := from.Export(t.Context(), &export); n != 2500 || !fresh.Fresh || err != nil {
		t.Fatal(n, fresh, err)
	}
	text := export.String()
	for cut, want := range map[string]string{
		text[:len(text)/2]:                     "cut off",
		text[:strings.LastIndex(text, `{"do`)]: "cut off",
		"{}":                                   "does not begin",
		strings.Replace(text, `{"documents":2500}`, `{"documents":3}`, 1): "should have 3",
	} {
		if n, err := to.Import(t.Context(), strings.NewReader(cut), "someone"); n != 0 || err == nil || !strings.Contains(err.Error(), want) {
			t.Error(n, err)
		}
	}
	to.put(t, doc("flows/7", "", `{"text":"<&> xxxxxxx"}`)) // as of an import that was cut off
	if n, err := to.Import(t.Context(), strings.NewReader(text), "someone"); n != 2499 || err != nil {
		t.Fatal(n, err)
	}
	a, _ := from.Read(t.Context())
	b, _ := to.Read(t.Context())
	if listed(a, "") != listed(b, "") {
		t.Error("other documents")
	}
	to.put(t, doc("flows/more", "", `{}`))
	if _, err := to.Import(t.Context(), strings.NewReader(text), "someone"); err == nil || !strings.Contains(err.Error(), "without documents") {
		t.Error(err)
	}
}

func TestCheckSaysThatACheckpointDiffersFromTheEntriesBeforeIt(t *testing.T) {
	s := openDir(t, t.TempDir())
	defer closed(t, s)
	tag := s.put(t, doc("flows/a", "", `{}`))
	if err := s.checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.put(t, doc("flows/a", tag, `{"n":1}`))
	if r, err := s.Check(t.Context()); err != nil || len(r.Problems) != 0 || len(r.Checkpoints) != 1 || r.Documents != 1 || r.Records[Applied] != 2 {
		t.Fatalf("%+v %v", r, err)
	}
	frozen := s.state.copied()
	frozen.docs[0] = &Document{Key: "flows/a", Etag: frozen.docs[0].Etag, Body: []byte(`{"n":2}`), offset: frozen.docs[0].offset}
	if _, err := s.propose(t.Context(), entry{V: format, Checkpoint: frozen.freeze(partBytes)[0]}); err != nil {
		t.Fatal(err)
	}
	if err := s.log.Append(t.Context(), []string{""}, [][]byte{[]byte("foreign")}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Check(t.Context())
	if err != nil || len(r.Problems) != 2 || !strings.Contains(strings.Join(r.Problems, "\n"), "other documents") || !strings.Contains(strings.Join(r.Problems, "\n"), "no entry") {
		t.Errorf("%+v %v", r, err)
	}
}
