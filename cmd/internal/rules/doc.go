// Package rules holds the rules in force: one version of what decides about
// content, with a plan for each writer schema that came up ([Ruleset]). It evaluates
// single events outside of the pipeline ([Evaluator]), refuses to start against a
// policy ([CheckBeforeStart]), explains ([Explain]), and names the closed set of
// outcomes and reasons.
package rules
