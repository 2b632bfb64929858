package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kinesis-destination/transform"
)

// block is a code block of a page of the documents, by the mark before it.
func block(t *testing.T, page, mark string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)<!-- " + mark + " -->\n```[a-z]+\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no block %s", page, mark)
	}
	return string(found[1])
}

// TestTheReadmesLeastConfigurationIsOne: what is copied from there loads as it stands.
func TestTheReadmesLeastConfigurationIsOne(t *testing.T) {
	text := block(t, "../../README.md", "least")
	if n := strings.Count(text, "\n"); n > 15 {
		t.Errorf("it has %d lines", n)
	}
	file := filepath.Join(t.TempDir(), "leads.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINESIS_ACCESS_KEY_ID", "key")
	t.Setenv("KINESIS_SECRET_ACCESS_KEY", "secret")
	if got := command(t, "", "validate", "-c", file); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheEventOfTheDocumentsLeavesAsTheySay(t *testing.T) {
	const page = "../../deployments/docs/EVENTS.md"
	file := filepath.Join(t.TempDir(), "destination.yaml")
	schema, err := filepath.Abs("../../schemas/segment-evaluation.avsc")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(block(t, page, "destination"), "schemas/segment-evaluation.avsc", schema, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := command(t, block(t, page, "event"), "explain", "-c", file, "-")
	if got.code != 0 || got.stdout != block(t, page, "record") || !strings.Contains(got.stderr, "rule: 1: ") {
		t.Errorf("%+v", got)
	}
}

// TestEveryRuleThatExplainNamesHasAnAddress: with a heading of its own, and its number before its text.
func TestEveryRuleThatExplainNamesHasAnAddress(t *testing.T) {
	rules, err := os.ReadFile("../../transform/RULES.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for rule := 1; rule <= 31; rule++ {
		_, anchor, _ := strings.Cut(ruleAddress(rule), "#")
		if place := fmt.Sprintf("<a id=%q></a>\n**%d.** ", anchor, rule); strings.Count(string(rules), place) != 1 {
			t.Errorf("%s is not there once", ruleAddress(rule))
		}
		if transform.RuleText(rule) != "" {
			named++
		}
	}
	if named < 10 {
		t.Errorf("%d rules have a text", named)
	}
	s := startServers(t)
	got := command(t, "", "explain", "-c", s.configFile, exampleEvent)
	if !strings.Contains(got.stderr, "rule: 2: the profile left a mapped segment: one record, with status exited\nsee: transform/RULES.md#rule-2\n") {
		t.Errorf("%+v", got)
	}
}

// TestTheReadmeIsShortAndInTheOrderOfANewcomer: what it is, what events look like, the own ones, words, operating, all else.
func TestTheReadmeIsShortAndInTheOrderOfANewcomer(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n >= 150 {
		t.Errorf("it has %d lines", n)
	}
	at := 0
	for _, heading := range []string{"▲", "\n## What events look like\n", "\n## Fifteen minutes with your own Kafka\n", "\n## Concepts\n", "\n## Operating\n", "\n## Reference\n"} {
		i := strings.Index(string(text), heading)
		if i < at {
			t.Errorf("%q is not there, or too early", heading)
		}
		at = i
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)

// TestEveryLinkOfTheDocumentsLeadsSomewhere, to a file and, in one of ours, to a heading or an anchor.
func TestEveryLinkOfTheDocumentsLeadsSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../../deployments/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "../../README.md", "../../DESIGN.md", "../../deployments/RUNBOOK.md", "../../transform/RULES.md")
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			file, anchor := found[1], strings.TrimPrefix(found[2], "#")
			if strings.Contains(file, "://") || strings.HasPrefix(file, "mailto:") {
				continue
			}
			links++
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			body, err := os.ReadFile(target)
			if info, stat := os.Stat(target); stat != nil || err != nil && !info.IsDir() {
				t.Errorf("%s: %s is not there", page, file)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(string(body)), anchor) {
				t.Errorf("%s: %s has no #%s", page, file, anchor)
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links", links)
	}
}

var (
	headingLine = regexp.MustCompile(`(?m)^#+ (.*)$`)
	anchorMark  = regexp.MustCompile(`<a id="([^"]*)"></a>`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the places of a page that a link can name, as GitHub makes them of headings.
func anchors(text string) []string {
	var all []string
	for _, h := range headingLine.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	for _, a := range anchorMark.FindAllStringSubmatch(text, -1) {
		all = append(all, a[1])
	}
	return all
}
