package web

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// oddFlow has ids, names and a description that no text area shows as they are.
func oddFlow(t *testing.T) editable {
	t.Helper()
	ids := []string{"a|b", " outer ", "two\r\nlines", "plain", "a", "  "}
	text := `{"name":" spaced ","description":"one\r\ntwo\rthree ","transformations":[{"params":{"segmentSelectors":{"selectors":[`
	for i, id := range ids {
		value := map[string]any{"id": id, "labels": []string{"C1"}, "name": []string{"x | y", "", "n\nm", " led", "", ""}[i]}
		text += compact(map[string]any{"value": value}) + ","
	}
	text = strings.TrimSuffix(text, ",") + `]},"profileSelectors":{"selectors":[{"value":{"path":" person.name ","operator":"EXISTS"}}]}}}]}`
	e, err := readEditable(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAFormThatNobodyTouchedChangesNothing(t *testing.T) {
	e := oddFlow(t)
	// As a browser sends it back: line breaks are its own.
	detail := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(e.Description)
	next := e.edited(e.Name, detail, e.SegmentLines(), e.AttributeLines())
	if operations := e.patch(next); len(operations) > 0 {
		t.Errorf("it would change %s", compact(operations))
	}
}

func TestALineThatIsChangedChangesItsSelectorAlone(t *testing.T) {
	e := oddFlow(t)
	next := e.edited(e.Name, e.Description, strings.Replace(e.SegmentLines(), "a|b | x | y", "a|b | z", 1)+"\nnew | News", e.AttributeLines())
	if n := len(next.Segments); n != len(e.Segments)+1 {
		t.Fatalf("%d segments", n)
	}
	for i, s := range e.Segments {
		switch got := next.Segments[i]; {
		case i == 0 && (got.Key != "a|b" || got.Name() != "z" || got.Value["labels"] == nil):
			t.Errorf("renamed: %s", compact(got))
		case i > 0 && !reflect.DeepEqual(got, s):
			t.Errorf("%s became %s", compact(s), compact(got))
		}
	}
	if last := next.Segments[len(e.Segments)]; last.Key != "new" || last.Name() != "News" {
		t.Errorf("the new one is %s", compact(last))
	}
	if gone := e.edited(e.Name, e.Description, "plain | led", ""); len(gone.Segments) != 2 || gone.Segments[1].Key != "  " || len(gone.Attributes) != 0 {
		t.Errorf("what is taken out is gone, and what has no line stays: %s", compact(gone))
	}
}

func TestAnExpressionIsReadAsItIsSaid(t *testing.T) {
	for _, label := range []string{"C1", "A or B", "and", "OR", "a(b)", `say "it"`, "{x", "two\nlines", " outer ", `back\slash`, "ñ"} {
		for _, text := range []string{
			compact(map[string]any{"label": label}),
			compact(map[string]any{"operator": "AND", "operands": []any{map[string]any{"label": label}, map[string]any{"operator": "OR", "operands": []any{map[string]any{"label": "C1"}, map[string]any{"label": label}}}}}),
		} {
			said := denied(json.RawMessage(text), false)
			value, problem := readDenied(said)
			if problem != "" || compact(value) != text {
				t.Errorf("%s is said as %s and read as %s %s", text, said, compact(value), problem)
			}
		}
	}
	if _, problem := readDenied(`"A or`); !strings.Contains(problem, "has no end") {
		t.Errorf("quotes without an end: %q", problem)
	}
}
