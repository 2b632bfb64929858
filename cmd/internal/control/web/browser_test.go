package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browserWait bounds what one test does in a browser, and stepWait one step of it.
const (
	browserWait = 10 * time.Minute
	stepWait    = 60 * time.Second
)

// site is a control plane in headless Chromium. What a page says on its console as an
// error, and what it throws, fails the test.
type site struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu   sync.Mutex
	said []string
	// expected are parts of errors that belong to a test's story: a browser notes each
	// answer of 400 and above.
	expected []string
}

// newSite starts Chromium, which make contract names in CHROMIUM. It is no kinder than
// a real one: its own sandbox alone is off, as it is run as root.
func newSite(t *testing.T, base string) *site {
	t.Helper()
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		t.Skip("CHROMIUM is not set: make contract sets it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserWait)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("lang", "en"), chromedp.Flag("accept-lang", "en"), chromedp.WSURLReadTimeout(stepWait),
	)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // of events that its library does not know
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it ends with the test, in order or not
		cancel()
	})
	s := &site{t: t, ctx: ctx, base: base, expected: []string{"favicon", "Failed to load resource"}}
	if err := chromedp.Listen(ctx, s.hear); err != nil {
		t.Fatalf("start %s: %v", chromium, err)
	}
	if _, err := chromedp.Call(ctx, cdplog.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.quiet)
	return s
}

func (s *site) hear(event any) {
	said := ""
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			said = e.Entry.Text + " " + e.Entry.URL
		}
	case *runtime.EventExceptionThrown:
		said = fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.URL)
	}
	if said == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, said)
}

// quiet fails the test where a page said an error that nobody expected.
func (s *site) quiet() {
	s.mu.Lock()
	defer s.mu.Unlock()
next:
	for _, said := range s.said {
		for _, part := range s.expected {
			if strings.Contains(said, part) {
				continue next
			}
		}
		s.t.Errorf("the browser says: %s", said)
	}
}

// do takes actions, and fails the test with where it was.
func (s *site) do(actions ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, stepWait)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		s.stuck(err)
	}
}

func (s *site) stuck(err error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, stepWait)
	defer cancel()
	where, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + (document.querySelector('main') || document.body).innerText")) // for the message alone
	s.t.Fatalf("%v, at %s", err, where)
}

// open goes to a path and returns the status of the answer.
func (s *site) open(path string) int64 {
	s.t.Helper()
	return s.follow(chromedp.Navigate(s.base + path))
}

// follow takes an action that leads to another page, and waits for that.
func (s *site) follow(action chromedp.Action[chromedp.Void]) int64 {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, stepWait)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, action)
	if err != nil {
		s.stuck(err)
	}
	if answer == nil {
		return 0
	}
	return answer.Status
}

// click follows a link or sends a form.
func (s *site) click(selector string) int64 {
	s.t.Helper()
	return s.follow(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// named is a selector of XPath for a link or button by its words.
func named(words string) string {
	return fmt.Sprintf(`//*[self::a or self::button][starts-with(normalize-space(.), %q)]`, words)
}

// press clicks a link or button by its words.
func (s *site) press(words string) int64 {
	s.t.Helper()
	return s.follow(chromedp.Click(named(words), chromedp.NodeVisible))
}

// fill puts a text into a field in place of what stands there.
func (s *site) fill(selector, text string) {
	s.t.Helper()
	s.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// has waits until the page says words.
func (s *site) has(words ...string) {
	s.t.Helper()
	for _, one := range words {
		quoted, err := json.Marshal(one)
		if err != nil {
			s.t.Fatal(err)
		}
		s.poll("document.body !== null && document.body.innerText.includes(" + string(quoted) + ")")
	}
}

// poll waits until an expression of the page's script is true.
func (s *site) poll(expression string) {
	s.t.Helper()
	end := time.After(stepWait / 2)
	for s.text("String("+expression+")") != "true" {
		select {
		case <-end:
			s.stuck(fmt.Errorf("%s: not within %v", expression, stepWait/2))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// text is what an expression of the page's script gives.
func (s *site) text(expression string) string {
	s.t.Helper()
	return evaluated[string](s, expression)
}

func evaluated[T any](s *site, expression string, options ...chromedp.EvaluateOption) T {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, stepWait)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		s.stuck(err)
	}
	return value
}

// called gives the browser a command of its protocol.
func called[P, R any](s *site, command cdp.Command[P, R], params P) R {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, stepWait)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		s.stuck(err)
	}
	return result
}

// tabTo goes to an element by the tabulator alone, as who has no mouse does.
func (s *site) tabTo(selector string) {
	s.t.Helper()
	quoted, err := json.Marshal(selector)
	if err != nil {
		s.t.Fatal(err)
	}
	const most = 300
	for range most {
		s.do(chromedp.KeyEvent(kb.Tab))
		if s.text(`String(document.activeElement !== null && document.activeElement.matches(`+string(quoted)+`))`) == "true" {
			return
		}
	}
	s.t.Fatalf("no %d steps of the tabulator lead to %s at %s", most, selector, s.text("location.href"))
}

// theme sets what the user's system prefers: light or dark.
func (s *site) theme(name string) {
	s.t.Helper()
	called(s, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// size sets the window's; a phone's is narrow.
func (s *site) size(width, height int64) {
	s.t.Helper()
	called(s, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
}

// fits fails the test where the page is wider than the window, and names what sticks out.
func (s *site) fits(name string) {
	s.t.Helper()
	if out := s.text(`document.documentElement.scrollWidth <= window.innerWidth ? "" : [...document.querySelectorAll("main *")].
		filter(e => e.getBoundingClientRect().right > window.innerWidth && !e.parentElement.closest(".scroll")).slice(0, 3).map(e => e.outerHTML.slice(0, 150)).join("\n") || "something"`); out != "" {
		s.t.Errorf("%s is wider than the window: %s", name, out)
	}
}

// finding is what axe-core found.
type finding struct {
	ID     string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
		// Scrolled is in a part that scrolls by itself.
		Scrolled bool `json:"scrolled"`
	} `json:"nodes"`
}

// judged is what axe-core says of a page.
type judged struct {
	Violations []finding `json:"violations"`
	Incomplete []finding `json:"incomplete"`
	Passes     int       `json:"passes"`
}

// judge runs axe-core.
const judge = `axe.run(document, {resultTypes: ["violations", "incomplete"]}).then(r => {
	const shown = list => list.map(f => ({id: f.id, impact: f.impact, help: f.help, nodes: f.nodes.map(n => ({
		html: n.html, failureSummary: n.failureSummary, scrolled: Boolean(document.querySelector(n.target[0])?.closest(".scroll")),
	}))}));
	return {violations: shown(r.violations), incomplete: shown(r.incomplete), passes: r.passes.length};
})`

// explained are findings of axe-core that are none, by rule and the beginning of the
// element, and why.
var explained = map[string]string{
	`color-contrast <text class="hour"`:             "axe-core cannot look through a drawing; the hours are of --soft on --raised, as other texts that it judges",
	`label-content-name-mismatch <li data-group=""`: "an item of a tree is called by its own words, not by those of the items below it",
}

// isExplained says whether all that a finding says of an element is explained. What is
// scrolled out of a table's frame on a phone cannot be judged there; in a wide window
// it is.
func isExplained(rule, html, summary string, scrolled bool) bool {
	if rule == "color-contrast" && scrolled && strings.Contains(summary, "obscured by another element") {
		return true
	}
	if rule == "color-contrast" && strings.Contains(summary, "too short to determine") {
		return true // a number of one digit might be a drawing; those beside it are judged
	}
	for beginning := range explained {
		if of, element, _ := strings.Cut(beginning, " "); of == rule && strings.HasPrefix(html, element) {
			return true
		}
	}
	return false
}

// accessible judges the page by axe-core, every rule and every level of it; what it
// cannot decide by itself counts as a finding, too.
func (s *site) accessible(name string) {
	s.t.Helper()
	at := os.Getenv("AXE")
	if at == "" {
		s.t.Fatal("AXE is not set: make contract sets it beside CHROMIUM")
	}
	script, err := os.ReadFile(at)
	if err != nil {
		s.t.Fatal(err)
	}
	evaluated[int](s, string(script)+";0")
	found := evaluated[judged](s, judge, chromedp.EvalAwaitPromise)
	if found.Passes == 0 {
		s.t.Errorf("%s: axe-core has judged nothing", name)
	}
	for _, f := range append(found.Violations, found.Incomplete...) {
		for _, node := range f.Nodes {
			if isExplained(f.ID, node.HTML, node.Summary, node.Scrolled) {
				continue
			}
			s.t.Errorf("%s: %s (%s): %s\n%s\n%s", name, f.ID, f.Impact, f.Help, node.HTML, node.Summary)
		}
	}
}
