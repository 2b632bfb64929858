package web_test

import (
	"strings"
	"testing"
)

// A backfill is counted, started, watched and stopped, and goes on; then dead letters
// are redriven. The page is never reloaded to see how far it is.
func TestContractABackfillAndARedriveShowTheirProgressInTheBrowser(t *testing.T) {
	p := newPlant(t)
	s := newSite(t, p.url)
	at := s.setUp(p, "Members")
	p.feed(1000)
	p.await("all records are on the stream", func() bool { return p.records() >= p.written })
	s.open(at)
	s.press("Send again")
	s.accessible("resend-real")
	s.fill("#f-segment", "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae")
	s.fill("#f-rate", "10")
	s.press("Only count")
	s.stays()
	s.has("only counted", "It would put ", " records,", "It costs about", "High propensity to convert", "Over: 2,000 of 2,000 events read")
	s.stayed()
	before := p.records()
	s.press("Start it")
	s.stays()
	s.has("Backfill", "events read", "Stop")
	s.poll("document.querySelector('[data-part=job] progress') !== null")
	// Who is about to stop it sees it go on, and keeps the focus.
	s.text("String(document.querySelector('[data-part=job] form button').focus())")
	far := s.text("String(document.querySelector('[data-part=job] progress').value)")
	s.poll("document.querySelector('[data-part=job] progress').value > " + far + " && document.activeElement.textContent === 'Stop'")
	p.await("records come once more", func() bool { return p.records() > before })
	s.press("Stop")
	s.has("It is being stopped")
	s.stays()
	s.has("Stopped after", "Go on")
	s.stayed()
	s.accessible("job-stopped")
	some := p.delivered(at)
	s.press("Go on")
	s.stays()
	s.has("Over: 2,000 of 2,000 events read", "delivered")
	s.stayed()
	if all := p.delivered(at); all <= some || all > 200 {
		t.Errorf("%v records were sent when it was stopped, %v in the end, of at most 200 members", some, all)
	}

	p.spoil(300)
	p.await("the dead letters are there", func() bool {
		s.open(at + "/letters")
		return strings.Contains(s.text("document.body.innerText"), "300")
	})
	s.press("Redrive")
	s.press("Redrive them")
	s.stays()
	s.has("Redrive", "Over: 300 of 300 letters")
	s.stayed()
}

// stays marks the page, and stayed holds that it is the same one still: what it shows
// came without reloading.
func (s *site) stays()  { s.text("String(window.stayed = true)") }
func (s *site) stayed() { s.poll("window.stayed === true") }

// delivered is what the job of a flow has sent.
func (p *plant) delivered(at string) float64 {
	p.t.Helper()
	items, _ := p.call("GET", "/flows/"+at[strings.LastIndexByte(at, '/')+1:]+"/jobs", "")["items"].([]any)
	one, _ := items[0].(map[string]any)
	became, _ := one["became"].(map[string]any)
	n, _ := became["delivered"].(float64)
	return n
}
