package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/api"
)

// apply patches a document; an empty result means that it was refused.
func apply(t *testing.T, document, patch string) string {
	t.Helper()
	value, err := api.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	body, err := api.Parse([]byte(patch))
	if err != nil {
		t.Fatal(err)
	}
	operations, err := api.Operations(body, api.AllOperations)
	if err != nil {
		return ""
	}
	after, err := api.Patch(value, operations)
	if err != nil {
		if _, ok := errors.AsType[*api.Error](err); !ok {
			t.Errorf("%s: the refusal is %T", patch, err)
		}
		return ""
	}
	text, err := json.Marshal(after)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The examples of RFC 6902, appendix A, and what lies beside them.
func TestAPatchDoesWhatTheRFCSays(t *testing.T) {
	for _, c := range [][3]string{
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"baz":"qux","foo":"bar"}`},
		{`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		{`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{`{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{`{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, ``},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"child":{"grandchild":{}},"foo":"bar"}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, ``},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ``},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/1","value":"x"}]`, `{"foo":["bar","x"]}`},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/2","value":"x"}]`, ``},
		{`{"foo":["bar"]}`, `[{"op":"replace","path":"/foo/-","value":"x"}]`, ``},
		{`{"foo":["bar"]}`, `[{"op":"remove","path":"/foo/-1"}]`, ``},
		{`{"foo":["bar","b"]}`, `[{"op":"remove","path":"/foo/01"}]`, ``},
		{`{"foo":"bar"}`, `[{"op":"replace","path":"/baz","value":1}]`, ``},
		{`{"foo":"bar"}`, `[{"op":"remove","path":""}]`, ``},
		{`{"foo":"bar"}`, `[{"op":"replace","path":"","value":{"a":1}}]`, `{"a":1}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"baz","value":1}]`, ``},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz"}]`, ``},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":null}]`, `{"baz":null,"foo":"bar"}`},
		{`{"foo":{"bar":1}}`, `[{"op":"move","from":"/foo","path":"/foo/bar"}]`, ``},
		{`{"foo":{"bar":1}}`, `[{"op":"copy","from":"/foo","path":"/baz"},{"op":"replace","path":"/baz/bar","value":2}]`, `{"baz":{"bar":2},"foo":{"bar":1}}`},
		{`{"foo":"bar"}`, `[{"op":"ADD","path":"/a","value":1},{"op":"Remove","path":"/foo"}]`, `{"a":1}`},
		{`{"foo":"bar"}`, `[{"op":"spam","path":"/a","value":1}]`, ``},
		{`{"foo":"bar"}`, `[1]`, ``},
		{`{"foo":"bar"}`, `[{"op":"remove","path":"/foo"},{"op":"remove","path":"/foo"}]`, ``},
	} {
		if got := apply(t, c[0], c[1]); got != c[2] {
			t.Errorf("%s\n%s\ngives %s, wanted %s", c[0], c[1], got, c[2])
		}
	}
}

// What Parse takes is what encoding/json makes of it, but for keys that stand twice.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,2.5e3,null,true,{"b":"c"}]}`, `{"a":1,"a":2}`, `// x`, `[`, `"\u0000"`, strings.Repeat("[", 70)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, err := api.Parse([]byte(text))
		if err != nil {
			if _, ok := errors.AsType[*api.Error](err); !ok {
				t.Fatalf("the refusal is %T: %v", err, err)
			}
			return
		}
		var want any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("%q is taken, and is no JSON: %v", text, err)
		}
		if !reflect.DeepEqual(value, want) {
			t.Fatalf("%q: %v, wanted %v", text, value, want)
		}
	})
}

// A copy of a document into itself doubles it: twenty times are a million as much.
func TestAPatchCopiesNoMoreThanARequestMayBring(t *testing.T) {
	var doubling, many []string
	for i := range 20 {
		doubling = append(doubling, fmt.Sprintf(`{"op":"copy","from":"","path":"/x%d"}`, i))
	}
	for i := range 1000 {
		many = append(many, fmt.Sprintf(`{"op":"copy","from":"/text","path":"/x%d"}`, i))
	}
	for _, c := range []struct {
		document string
		patch    []string
		done     bool
	}{
		{`{"name":"x"}`, doubling, false},
		{`{"name":"x"}`, doubling[:8], true},
		{`{"text":"` + strings.Repeat("x", 2000) + `"}`, many, false},
		{`{"text":[` + strings.Repeat("1,", 1000) + `1]}`, many, false},
		{`{"text":{"a":1,"b":2}}`, many, true},
	} {
		if done := apply(t, c.document, "["+strings.Join(c.patch, ",")+"]") != ""; done != c.done {
			t.Errorf("%.40s, %d operations: done %t", c.document, len(c.patch), done)
		}
	}
}

// encoding/json takes such bytes for U+FFFD: what is kept would not be what was sent.
func TestABodyIsUTF8(t *testing.T) {
	for text, taken := range map[string]bool{`{"name":"Ren\u00e9e"}`: true, `{"name":"Renée"}`: true, "{\"name\":\"Ren\xe9e\"}": false, "{\"n\xff\":1}": false} {
		if _, err := api.Parse([]byte(text)); (err == nil) != taken {
			t.Errorf("%q: %v", text, err)
		}
	}
}
