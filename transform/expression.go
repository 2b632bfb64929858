package transform

import (
	"fmt"
	"slices"
	"strings"
)

// The operators of an expression.
const (
	OperatorAnd = "AND"
	OperatorOr  = "OR"
)

// Expression is a condition on labels: either one label, or an operator over operands.
type Expression struct {
	Label    string       `yaml:"label,omitempty" json:"label,omitempty"`
	Operator string       `yaml:"operator,omitempty" json:"operator,omitempty"`
	Operands []Expression `yaml:"operands,omitempty" json:"operands,omitempty"`
}

// problem says what is wrong with an expression and where in it; empty when nothing is.
func (e Expression) problem() string {
	switch {
	case e.Label != "" && (e.Operator != "" || len(e.Operands) > 0):
		return ": has a label or an operator, not both"
	case e.Label != "":
		return ""
	case e.Operator != OperatorAnd && e.Operator != OperatorOr:
		return ": needs a label, or an operator that is AND or OR"
	case len(e.Operands) == 0:
		return ".operands: must hold at least one"
	}
	for i, operand := range e.Operands {
		if problem := operand.problem(); problem != "" {
			return fmt.Sprintf(".operands[%d]%s", i, problem)
		}
	}
	return ""
}

// Labels are those that the expression looks for.
func (e Expression) Labels() []string { return e.labels() }

// String reads "C2 AND (I1 OR S1)".
func (e Expression) String() string {
	if e.Label != "" {
		return e.Label
	}
	parts := make([]string, len(e.Operands))
	for i, operand := range e.Operands {
		if parts[i] = operand.String(); len(operand.Operands) > 1 {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " "+e.Operator+" ")
}

// labels are those that the expression looks for.
func (e Expression) labels() []string {
	if e.Label != "" {
		return []string{e.Label}
	}
	var all []string
	for _, operand := range e.Operands {
		all = append(all, operand.labels()...)
	}
	return all
}

// holds says whether the expression is true of labels, and which of them make it so.
func (e Expression) holds(has func(label string) bool) (bool, []string) {
	if e.Label != "" {
		if has(e.Label) {
			return true, []string{e.Label}
		}
		return false, nil
	}
	some, all := false, true
	var witnesses []string
	for _, operand := range e.Operands {
		ok, by := operand.holds(has)
		some, all = some || ok, all && ok
		witnesses = append(witnesses, by...)
	}
	if e.Operator == OperatorAnd && !all || !some {
		return false, nil
	}
	slices.Sort(witnesses)
	return true, slices.Compact(witnesses)
}
