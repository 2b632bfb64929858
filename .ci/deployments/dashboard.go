package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

type dashboard struct {
	Title, UID string
	Templating struct{ List []struct{ Name string } }
	Panels     []struct {
		ID          int
		Title       string
		Description string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr, LegendFormat, RefID string }
	}
}

// variables stand for what Grafana puts in.
var variables = strings.NewReplacer("$destination", ".*", "$__rate_interval", "5m")

// checkDashboard looks that a dashboard is whole and its expressions are PromQL;
// that the metrics are those of the binary is a test of the product.
func checkDashboard(args []string) (string, []error) {
	text, err := os.ReadFile(args[0])
	if err != nil {
		return "", []error{err}
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return "", []error{err}
	}
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if d.Title == "" || d.UID == "" || len(d.Templating.List) == 0 || len(d.Panels) == 0 {
		return "", []error{errors.New("title, uid, variables and panels are needed")}
	}
	ids, cells, expressions := map[int]bool{}, map[[2]int]string{}, 0
	promQL := parser.NewParser(parser.Options{})
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
			report("panel %d %q needs an id of its own, a title, a description and a query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x > 23 {
					report("panel %q lies over %q or beyond the edge", p.Title, other)
					break
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		for _, t := range p.Targets {
			expressions++
			if _, err := promQL.ParseExpr(variables.Replace(t.Expr)); err != nil || t.LegendFormat == "" {
				report("panel %q: %s: legend %q: %v", p.Title, t.Expr, t.LegendFormat, err)
			}
		}
	}
	return fmt.Sprintf("%d panels, %d expressions parsed", len(d.Panels), expressions), problems
}
