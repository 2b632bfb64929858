// Command plot draws what a million events cost over the number of partitions and
// of identities, from the results that make bench-pipeline printed.
//
//	go run ./.ci/bench/plot .ci/bench/results/after.txt
//
// It writes partitions.svg and identities.svg beside them.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "plot: name the file of results")
		os.Exit(2)
	}
	if err := plot(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

// usual is the row that both curves share: 12 partitions, 50,000 identities.
const (
	usual           = "50,000 identities"
	usualPartitions = 12
)

func plot(file string) error {
	costs, err := read(file)
	if err != nil {
		return err
	}
	if _, ok := costs[usual]; !ok {
		return fmt.Errorf("%s has no row %q", file, usual)
	}
	curves := map[string][]point{"partitions": {{usualPartitions, costs[usual]}}}
	for title, cost := range costs {
		if n, of, ok := numbered(title); ok {
			curves[of] = append(curves[of], point{n, cost})
		}
	}
	for of, points := range curves {
		slices.SortFunc(points, func(a, b point) int { return int(a.number - b.number) })
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), of+".svg"), []byte(draw(of, points)), 0o644); err != nil {
			return fmt.Errorf("write the plot: %w", err)
		}
	}
	return nil
}

// point is what a million events cost at a number of something.
type point struct{ number, cost float64 }

var (
	rowOf    = regexp.MustCompile(`^(\S.*?)\s{2,}kinesis-destination\s+([0-9.]+) \(`)
	numberOf = regexp.MustCompile(`^([0-9,]+) (partition|identitie)s?$`)
)

// read finds the CPU seconds of the product in each row of the first table.
func read(file string) (map[string]float64, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it is only read
	costs, title := map[string]float64{}, ""
	lines := bufio.NewScanner(f)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "With --memory") {
		line := lines.Text()
		if strings.HasPrefix(line, " ") { // of the row above
			line = title + "  " + strings.TrimSpace(line)
		} else {
			title, _, _ = strings.Cut(line, "  ")
		}
		if m := rowOf.FindStringSubmatch(line); m != nil {
			if costs[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", file, line, err)
			}
		}
	}
	return costs, lines.Err()
}

// numbered reads a row's title: 1 partition, 2,000 identities.
func numbered(title string) (n float64, of string, ok bool) {
	m := numberOf.FindStringSubmatch(title)
	if m == nil {
		return 0, "", false
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
	return n, map[string]string{"partition": "partitions", "identitie": "identities"}[m[2]], err == nil
}

// The picture, in pixels.
const (
	width, height           = 560, 300
	left, right, top, under = 60, 20, 40, 50
)

// draw has the numbers on a logarithmic scale, the costs on one from zero.
func draw(of string, points []point) string {
	first, last := points[0].number, points[len(points)-1].number
	most := 0.0
	for _, p := range points {
		most = max(most, p.cost)
	}
	most = math.Ceil(most/5) * 5
	x := func(n float64) float64 {
		return left + (width-left-right)*math.Log(n/first)/math.Log(max(last/first, 2))
	}
	y := func(cost float64) float64 { return height - under - (height-top-under)*cost/most }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="20" font-size="14">CPU seconds a million events, over the number of %s</text>`+"\n", left, of)
	for cost := 0.0; cost <= most; cost += 5 {
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n",
			left, width-right, y(cost), y(cost), left-8, y(cost)+4, cost)
	}
	line := make([]string, 0, len(points))
	for _, p := range points {
		line = append(line, fmt.Sprintf("%.1f,%.1f", x(p.number), y(p.cost)))
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="#1f6feb"/><text x="%.1f" y="%.1f" text-anchor="middle">%.1f</text>`+"\n",
			x(p.number), y(p.cost), x(p.number), y(p.cost)-10, p.cost)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(p.number), height-under+20, grouped(int(p.number)))
	}
	fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="#1f6feb" stroke-width="2"/>`+"\n</svg>\n", strings.Join(line, " "))
	return b.String()
}

// grouped is a number with commas between its thousands.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return grouped(n/1000) + "," + fmt.Sprintf("%03d", n%1000)
}
