package web_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"kinesis-destination/cmd/internal/leads"
)

// The stories below are what people do on the page, in headless Chromium, on the built
// program.

// setUp goes from an empty catalog to a flow that is activated, and returns the path of
// its page.
func (s *site) setUp(p *plant, name string) string {
	s.t.Helper()
	s.open("/")
	s.has("Three steps to start")
	s.press("Set up")
	s.press("AWS keys")
	s.fill("#f-name", "AWS of marketing")
	s.fill("#f-auth-params-accessKeyId", accessKey)
	s.fill("#f-auth-params-secretKey", secretKey)
	s.fill("#f-auth-params-region", "us-east-1")
	s.press("Test and connect")
	s.has("The account is connected")
	s.fill("#f-name", name)
	s.fill("#f-params-stream", p.leads)
	s.press("Next: segments")
	s.fill("#f-paste", leads.HighPropensity+"\n"+leads.Newsletter)
	s.press("Next: attributes")
	s.fill("#f-paste", "person.email\nloyalty.points")
	s.press("Next: review")
	s.press("Finish")
	s.has(name, leads.HighPropensity, "person.email")
	return s.path()
}

// path is where the browser is, without what is behind a question mark.
func (s *site) path() string {
	s.t.Helper()
	return s.text("location.pathname")
}

func TestContractFromAnEmptyCatalogToARecordOnTheStreamInTheBrowser(t *testing.T) {
	p := newPlant(t)
	s := newSite(t, p.url)
	at := s.setUp(p, "White-paper leads")
	p.feed(200)
	p.await("a record is on the stream", func() bool { return p.records() > 0 })
	p.await("all records are", func() bool { return p.records() >= p.written })

	// Paused, what comes waits, and the page says so; resumed, it leaves.
	s.open(at)
	s.press("Pause")
	s.has("Events that wait now", p.topic, "Kafka keeps events for")
	s.click("main form button")
	s.has("The destination is paused", "nothing is read or sent")
	s.open(at + "/pause")
	s.has("Resume the destination")
	p.feed(100)
	s.open(at + "/pause")
	s.click("main form button")
	s.has("The destination goes on")
	p.await("what waited is on the stream", func() bool { return p.records() >= p.written })

	// What cannot become a record is a dead letter, shown without anybody's data.
	s.open(at + "/letters")
	s.has("There is no dead letter")
	p.spoil(3)
	p.await("the dead letters are there", func() bool {
		s.open(at + "/letters")
		return strings.Contains(s.text("document.body.innerText"), "the bytes are no event of the schema")
	})
	s.has("decode · malformed", p.topic)
	s.accessible("letters-real")
	s.press("Redrive")
	s.press("Only count what would happen")
	s.has("only counted", "Over: 3 of 3 letters")
	s.press("Drop")
	s.press("Drop them")
	s.has("Over: 3 of 3 letters", "dropped")
	s.open(at + "/letters")
	s.has("There is no dead letter")
	s.open("/s/prod/activity?kind=flows")
	s.has("op=disable", "op=enable")
}

func TestContractAViolationIsShownAndRepairedInTheBrowser(t *testing.T) {
	p := newPlant(t)
	s := newSite(t, p.url)
	at := s.setUp(p, "Leads")
	s.open("/s/prod/governance/policy")
	s.fill("#f-name", "No measurement")
	s.fill("#f-deny", "C8")
	s.do(chromedp.Click(chromedp.CSS(`input[value="core/analytics"]`)))
	s.fill("#f-status", "ENABLED")
	s.press("Save")
	s.has("Changed.")
	s.open("/s/prod/governance?labels=C8&action=core/analytics")
	s.has("Denied", "No measurement")
	// The flow gets the marketing action: the policy objects, names the carrier and a way out.
	items, _ := p.call("GET", "/flows/"+at[strings.LastIndexByte(at, '/')+1:], "")["items"].([]any)
	flow, _ := items[0].(map[string]any)
	targets, _ := flow["targetConnectionIds"].([]any)
	target, _ := targets[0].(string)
	if said := p.refused("PATCH", "/targetConnections/"+target, `[{"op":"add","path":"/params/marketingActions","value":["analytics"]}]`); !strings.Contains(said, "No measurement") {
		t.Fatalf("the action is taken beside the policy: %s", said)
	}
	// Without the segment that carries the label, both go together.
	s.open(at + "/edit")
	s.fill("#f-transformations_5b_0_5d_-params-segmentSelectors-selectors", leads.HighPropensity)
	s.press("Save")
	s.has("Changed.")
	p.must("PATCH", "/targetConnections/"+target, `[{"op":"add","path":"/params/marketingActions","value":["analytics"]}]`)
	s.open(at + "/edit")
	s.fill("#f-transformations_5b_0_5d_-params-segmentSelectors-selectors", leads.HighPropensity+"\n"+leads.Newsletter)
	s.press("Save")
	s.has("would violate", "No measurement", "Carried by:", leads.Newsletter, "Ways out:")
	s.focused("errors")
	s.fill("#f-transformations_5b_0_5d_-params-segmentSelectors-selectors", leads.HighPropensity)
	s.press("Save")
	s.has(leads.HighPropensity)
}

// focused says that an element has the focus.
func (s *site) focused(id string) {
	s.t.Helper()
	if got := s.text("document.activeElement && document.activeElement.id || ''"); got != id {
		s.t.Errorf("the focus is on %q, wanted %q", got, id)
	}
}

func TestContractTwoBrowsersEditOneFlow(t *testing.T) {
	p := newPlant(t)
	mine, theirs := newSite(t, p.url), newSite(t, p.url)
	at := mine.setUp(p, "Leads")
	mine.open(at + "/edit")
	mine.fill("#f-name", "Leads of mine")
	mine.fill("#f-description", "My words")
	theirs.open(at + "/edit")
	theirs.fill("#f-name", "Leads of theirs")
	theirs.press("Save")
	theirs.has("Changed.")
	mine.press("Save")
	mine.has("Somebody else changed it meanwhile", "both changed it", "Leads of theirs", "My words")
	mine.looks("conflict", func() {})
	mine.size(1280, 900)
	mine.press("Put the chosen changes on theirs")
	mine.has("Leads of theirs", "My words")
	// The one who came first takes it back, on what there is now.
	theirs.open(at)
	theirs.press("Undo")
	theirs.press("Take the chosen changes back")
	theirs.has("The change was taken back", "Leads of theirs")
}

func TestContractTheKeyboardAloneIsEnough(t *testing.T) {
	p := newPlant(t)
	s := newSite(t, p.url)
	s.open("/")
	s.tabTo(".skip") // the first stop
	s.enter(`a[href$="/connect"]`)
	s.enter(`a[href$="auth=keys"]`)
	s.types("#f-name", "AWS")
	s.types("#f-auth-params-accessKeyId", accessKey)
	s.types("#f-auth-params-secretKey", secretKey)
	s.types("#f-auth-params-region", "us-east-1")
	s.submit()
	s.has("The account is connected")
	s.types("#f-name", "By keyboard")
	s.types("#f-params-stream", p.leads)
	s.enter(`button[value="next"]`)
	s.types("#f-paste", leads.HighPropensity)
	s.enter(`button[value="next"]`)
	s.enter(`button[value="next"]`)
	s.enter(`button[value="finish"], button[value="enable"]`)
	s.has("By keyboard")
	at := s.path()
	s.enter(`a[href$="/edit"]`)
	s.types("#f-description", "typed")
	s.enter(`main form .actions button`)
	s.has("Changed.", "typed")
	s.enter(`a[href$="/pause"]`)
	s.enter(`main form button`)
	s.has("The destination is paused")
	s.enter(`a[href$="/delete"]`)
	s.types("#f-name", "Another name")
	s.submit()
	s.has("is not the name of this destination")
	s.focused("errors")
	s.open(at + "/delete")
	s.types("#f-name", "By keyboard")
	s.submit()
	s.has("The destination was deleted")
}

// enter goes to a link or button by the tabulator, and presses Enter.
func (s *site) enter(selector string) {
	s.t.Helper()
	s.tabTo(selector)
	s.follow(chromedp.KeyEvent(kb.Enter))
}

// types goes to a field by the tabulator, and types.
func (s *site) types(selector, text string) {
	s.t.Helper()
	s.tabTo(selector)
	s.do(chromedp.KeyEvent(text))
}

// submit sends the form that one types in.
func (s *site) submit() {
	s.t.Helper()
	s.follow(chromedp.KeyEvent(kb.Enter))
}

func TestContractEverythingWorksWithoutScript(t *testing.T) {
	p := newPlant(t)
	s := newSite(t, p.url)
	called(s, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	at := s.setUp(p, "Without script")
	s.open(at)
	s.has("This page does not change by itself")
	s.press("Edit")
	s.fill("#f-name", "Still without")
	s.press("Save")
	s.has("Changed.", "Still without")
	at = s.path()
	s.press("Send again")
	s.press("Only count")
	s.poll("true") // the answer is the flow's page
	p.await("it is counted", func() bool {
		s.open(at)
		return strings.Contains(s.text("document.body.innerText"), "It would put")
	})
	s.press("Pause")
	s.click("main form button")
	s.has("The destination is paused")
	s.open("/s/prod/flows?q=still")
	s.has("Still without")
	s.open("/s/prod/governance?labels=C8&action=core/analytics")
	s.has("Allowed")
	s.open("/s/prod/activity?q=disable")
	s.has("op=disable")
}
