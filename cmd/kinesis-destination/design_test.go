package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../"

// section is the part of DESIGN.md under a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(root + "DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("DESIGN.md has no section %q", heading)
	}
	part, _, _ := strings.Cut(after, "\n## ")
	return part
}

// The way of a record from main to the commit: each place of the list is there, and
// a newcomer meets no more files and jumps than were promised.
func TestTheWayOfOneRecordIsAsShortAsDesignSays(t *testing.T) {
	const mostFiles, mostJumps = 15, 20
	steps := regexp.MustCompile("(?m)^\\d+\\. `([^`]+\\.go)`, `([^`]+)`").FindAllStringSubmatch(section(t, "Following one record"), -1)
	files := map[string]bool{}
	for _, step := range steps {
		files[step[1]] = true
		if !declares(t, root+step[1], step[2]) {
			t.Errorf("%s has no %s", step[1], step[2])
		}
	}
	if jumps := len(steps) - 1; jumps < 10 || jumps > mostJumps || len(files) > mostFiles {
		t.Errorf("%d files and %d jumps; at most %d and %d", len(files), jumps, mostFiles, mostJumps)
	}
}

// declares tells whether a file has a function, or a method as type.name.
func declares(t *testing.T, file, name string) bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Error(err)
		return false
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		own := f.Name.Name
		if f.Recv != nil {
			of := f.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			own = of.(*ast.Ident).Name + "." + own
		}
		if own == name {
			return true
		}
	}
	return false
}

// Whoever looks for a file finds it in the map, and what the map names is there.
func TestTheFileMapNamesEveryFile(t *testing.T) {
	named := map[string]bool{}
	dir := ""
	for _, name := range regexp.MustCompile("`([^` ]+)`").FindAllStringSubmatch(section(t, "File map"), -1) {
		switch path := name[1]; {
		case strings.HasSuffix(path, "/"):
			dir = path
		case strings.HasSuffix(path, ".go") && !strings.Contains(path, "/"):
			named[dir+path] = true
		case strings.HasSuffix(path, ".go"):
			dir = filepath.Dir(path) + "/"
			named[path] = true
		default: // a package as a whole
			named[path+"/*.go"] = true
		}
	}
	for path := range named {
		if found, _ := filepath.Glob(root + path); len(found) == 0 && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "/*.go") {
			t.Errorf("the file map names %s, which is not there", path)
		}
	}
	for _, top := range []string{"schemas", "transform", "consumer", "sink", "cmd"} {
		err := filepath.WalkDir(root+top, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || entry.Name() == "doc.go" {
				return err
			}
			path = filepath.ToSlash(strings.TrimPrefix(path, root))
			if !named[path] && !named[filepath.ToSlash(filepath.Dir(path))+"/*.go"] {
				t.Errorf("the file map does not name %s", path)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A package without a rule of the linter may import what it likes: each has one that names it, or its folder's. The
// commands, on top of all, need none.
func TestTheLinterHoldsTheImportsOfEveryPackage(t *testing.T) {
	text, err := os.ReadFile(root + ".golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	ruled := map[string]bool{"cmd/kinesis-destination": true}
	for _, glob := range regexp.MustCompile(`"\*\*/([^"]+)/\*\.go"`).FindAllStringSubmatch(string(text), -1) {
		before, choice, several := strings.Cut(glob[1], "{")
		if !several {
			ruled[glob[1]] = true
			continue
		}
		for name := range strings.SplitSeq(strings.TrimSuffix(choice, "}"), ",") {
			ruled[before+name] = true
		}
	}
	// Fakes are named by the last folder, wherever they stand.
	isRuled := func(dir string) bool {
		return ruled[dir] || ruled[filepath.Base(dir)] || ruled[filepath.ToSlash(filepath.Dir(dir))] && strings.HasSuffix(dir, "test")
	}
	for _, top := range []string{"schemas", "transform", "consumer", "sink", "cmd"} {
		err := filepath.WalkDir(root+top, func(path string, entry os.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			dir := filepath.ToSlash(strings.TrimPrefix(path, root))
			if files, _ := filepath.Glob(path + "/*.go"); len(files) > 0 && !isRuled(dir) {
				t.Errorf(".golangci.yml, depguard, has no rule for %s", dir)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
