package web_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A stream that is deleted meanwhile holds the flow; the page says so by itself, with
// what to do, and that it goes on.
func TestContractAStreamThatIsDeletedMeanwhileIsSaidOnThePage(t *testing.T) {
	p := newPlant(t)
	s := newSite(t, p.url)
	at := s.setUp(p, "Leads")
	p.feed(50)
	p.await("all records are on the stream", func() bool { return p.records() >= p.written })
	s.open(at)
	s.stays()
	if _, err := p.kinesis.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: &p.leads}); err != nil {
		t.Fatal(err)
	}
	p.feed(50)
	s.has("Cause: the stream is not there", "Make the stream")
	s.stayed()
	s.accessible("held-real")
	p.makeStream()
	s.has("Events are read")
	s.stayed()
	s.poll("document.getElementById('live').textContent.includes('Events are read')") // for who does not see it
}

// The schema is a tree that the keyboard alone goes through; a time says the local one
// on focus.
func TestContractTheTreeOfAttributesIsGoneThroughByKeyboard(t *testing.T) {
	r := newRig(t)
	r.events(10, "propensity")
	at, _ := r.setUp("Leads")
	s := newSite(t, r.server.URL)
	s.open(at + "/attributes")
	item := "document.activeElement.getAttribute('role') + ' ' + document.activeElement.querySelector('label').textContent"
	s.do(chromedp.KeyEvent("/"))
	if got := s.text("document.activeElement.id"); got != "q" {
		t.Errorf("/ leads to %q", got)
	}
	s.tabTo("[data-tree] li")
	s.do(chromedp.KeyEvent("home"))
	if got := s.text(item); got != "treeitem homeAddress" {
		t.Fatalf("letters lead to %q", got)
	}
	s.do(chromedp.KeyEvent(kb.Home))
	if got := s.text(item); got != "treeitem person" {
		t.Fatalf("Home leads to %q", got)
	}
	s.do(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	if got := s.text("document.activeElement.getAttribute('aria-level')"); got != "2" {
		t.Errorf("an arrow leads to level %s", got)
	}
	s.do(chromedp.KeyEvent("email"), chromedp.KeyEvent(" "))
	if got := s.text(item + " + ' ' + document.activeElement.getAttribute('aria-checked')"); !strings.HasSuffix(got, "email true") {
		t.Errorf("a space leaves %q", got)
	}
	s.do(chromedp.KeyEvent(kb.ArrowLeft))
	if got := s.text(item); got != "treeitem person" {
		t.Errorf("an arrow leads back to %q", got)
	}
	s.enter(`button[value="next"]`)
	s.has("Review", "person.email")
	s.open(at[:strings.Index(at, "/activate")])
	s.tabTo("time")
	if got := s.text("document.activeElement.title"); got == "" {
		t.Error("a time does not say the local one on focus")
	}
	if got := s.text("document.activeElement.textContent"); !strings.HasSuffix(got, " UTC") {
		t.Errorf("a time is %q", got)
	}
}
