package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// Hour is what became of the identities that were received in an hour.
type Hour struct {
	At time.Time
	Counts
}

// Counts of identities: received = activated + excluded + failed + under way.
type Counts struct {
	Received  int64
	Activated int64
	Excluded  map[string]int64 // by reason
	Failed    map[string]int64 // likewise
	UnderWay  int64
	Segments  map[string]int64 // activated, by segment
}

// Sum of the counts by reason.
func sum(counts map[string]int64) int64 {
	var n int64
	for _, one := range counts {
		n += one
	}
	return n
}

// ExcludedSum is how many were excluded, whatever the reason.
func (c Counts) ExcludedSum() int64 { return sum(c.Excluded) }

// FailedSum is how many failed, whatever the reason.
func (c Counts) FailedSum() int64 { return sum(c.Failed) }

// Missing is what the account does not explain; 0 unless a process ended amid counting.
func (c Counts) Missing() int64 {
	return c.Received - c.Activated - c.ExcludedSum() - c.FailedSum() - c.UnderWay
}

// add counts one more.
func (c *Counts) add(more Counts) {
	c.Received += more.Received
	c.Activated += more.Activated
	c.UnderWay += more.UnderWay
	for _, m := range []struct {
		to   *map[string]int64
		from map[string]int64
	}{{&c.Excluded, more.Excluded}, {&c.Failed, more.Failed}, {&c.Segments, more.Segments}} {
		for name, n := range m.from {
			if *m.to == nil {
				*m.to = map[string]int64{}
			}
			(*m.to)[name] += n
		}
	}
}

// The chart's measures, in its own units; it is as wide as the page.
const (
	chartHeight = 120
	chartBase   = chartHeight - 18 // below are the hours
	barWidth    = 20
	barGap      = 6
	hourWidth   = 34 // of "18:00"
)

// chart draws the hours as stacked bars. It is made of digits and fixed words; the
// texts come escaped. What it shows, the table beside it says: it is one image with a
// name, and each part has a pattern of its own besides a colour.
func chart(hours []Hour, title string) template.HTML {
	var most int64 = 1
	for _, h := range hours {
		most = max(most, h.Received, h.Activated+h.ExcludedSum()+h.FailedSum()+h.UnderWay)
	}
	width := max(len(hours), 1)*(barWidth+barGap) + barGap
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s" preserveAspectRatio="xMinYMid meet">`, width, chartHeight, template.HTMLEscapeString(title))
	b.WriteString(`<defs><pattern id="stripes" width="4" height="4" patternUnits="userSpaceOnUse"><path class="hatch" d="M0 4 L4 0"/></pattern>` +
		`<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><circle class="dot" cx="2" cy="2" r="1"/></pattern></defs>`)
	fmt.Fprintf(&b, `<line class="axis" x1="0" x2="%d" y1="%d" y2="%d"/>`, width, chartBase, chartBase)
	for i, h := range hours {
		x, y := barGap+i*(barWidth+barGap), chartBase
		for _, part := range []struct {
			class string
			n     int64
		}{{"activated", h.Activated}, {"excluded", h.ExcludedSum()}, {"failed", h.FailedSum()}, {"under-way", h.UnderWay}} {
			if part.n <= 0 {
				continue
			}
			tall := max(int(float64(part.n)/float64(most)*(chartBase-6)), 1)
			y -= tall
			fmt.Fprintf(&b, `<rect class="bar %s" x="%d" y="%d" width="%d" height="%d"/>`, part.class, x, y, barWidth, tall)
			if pattern := map[string]string{"failed": "stripes", "excluded": "dots"}[part.class]; pattern != "" {
				fmt.Fprintf(&b, `<rect fill="url(#%s)" x="%d" y="%d" width="%d" height="%d"/>`, pattern, x, y, barWidth, tall)
			}
		}
		if h.At.UTC().Hour()%6 == 0 && x+hourWidth <= width {
			fmt.Fprintf(&b, `<text class="hour" x="%d" y="%d">%s</text>`, x, chartHeight-4, h.At.UTC().Format("15:04"))
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // see above
}
