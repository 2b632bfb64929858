package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// granted is all that the process may be allowed, by policy documents, and on what.
var granted = map[string]map[string]string{
	"put": {
		"kinesis:PutRecords": "aws_kinesis_stream.this.arn", "kinesis:DescribeStreamSummary": "aws_kinesis_stream.this.arn",
		"kinesis:ListShards": "aws_kinesis_stream.this.arn", "kms:GenerateDataKey": "aws_kms_key.stream.arn",
	},
	"list": {"kinesis:ListStreams": everything}, // on which AWS knows no narrower resource
}

// everything is what a policy calls *.
const everything = "*"

// checkTerraform reads a module without its provider: every reference leads
// somewhere, and the policy grants what is needed and nothing else.
func checkTerraform(args []string) (string, []error) {
	files, err := filepath.Glob(filepath.Join(args[0], "*.tf"))
	if err != nil || len(files) == 0 {
		return "", []error{fmt.Errorf("no .tf file in %s: %w", args[0], err)}
	}
	parser := hclparse.NewParser()
	var problems []error
	var blocks []*hclsyntax.Block
	for _, file := range files {
		parsed, diagnostics := parser.ParseHCLFile(file)
		if diagnostics.HasErrors() {
			problems = append(problems, diagnostics.Errs()...)
			continue
		}
		blocks = append(blocks, parsed.Body.(*hclsyntax.Body).Blocks...)
	}
	defined, seen := definitions(blocks), 0
	for _, block := range blocks {
		diagnostics := hclsyntax.VisitAll(block, func(node hclsyntax.Node) hcl.Diagnostics {
			if e, ok := node.(*hclsyntax.ScopeTraversalExpr); ok {
				seen++
				if name := address(e.Traversal); name != "" && !defined[name] {
					problems = append(problems, fmt.Errorf("%s: %s is not defined", e.SrcRange, name))
				}
			}
			return nil
		})
		problems = append(problems, diagnostics.Errs()...)
		if block.Type == "data" && block.Labels[0] == "aws_iam_policy_document" && granted[block.Labels[1]] != nil {
			problems = append(problems, checkPolicy(block, granted[block.Labels[1]])...)
		}
	}
	actions := 0
	for name, policy := range granted {
		actions += len(policy)
		if !defined["data.aws_iam_policy_document."+name] {
			problems = append(problems, fmt.Errorf("there is no data.aws_iam_policy_document.%s", name))
		}
	}
	return fmt.Sprintf("%d blocks, %d references lead somewhere, the policies grant %d actions", len(blocks), seen, actions), problems
}

// definitions are the addresses that may be referred to.
func definitions(blocks []*hclsyntax.Block) map[string]bool {
	defined := map[string]bool{}
	for _, b := range blocks {
		switch b.Type {
		case "resource":
			defined[strings.Join(b.Labels, ".")] = true
		case "data":
			defined["data."+strings.Join(b.Labels, ".")] = true
		case "variable":
			defined["var."+b.Labels[0]] = true
		case "locals":
			for name := range b.Body.Attributes {
				defined["local."+name] = true
			}
		}
	}
	return defined
}

// address is what a reference refers to; empty for the variable of a for
// expression and the types of variables.
func address(t hcl.Traversal) string {
	parts := names(t)
	length := 2
	if parts[0] == "data" {
		length = 3
	}
	if len(parts) < length {
		return ""
	}
	return strings.Join(parts[:length], ".")
}

// checkPolicy compares what a policy document grants with what is needed.
func checkPolicy(document *hclsyntax.Block, granted map[string]string) []error {
	var problems []error
	found := map[string]string{}
	for _, statement := range document.Body.Blocks {
		for name := range statement.Body.Attributes {
			if !slices.Contains([]string{"sid", "actions", "resources"}, name) {
				problems = append(problems, fmt.Errorf("policy: %s is not understood by this check", name))
			}
		}
		actions, diagnostics := statement.Body.Attributes["actions"].Expr.Value(nil)
		if diagnostics.HasErrors() {
			return append(problems, diagnostics.Errs()...)
		}
		var on []string
		for _, reference := range statement.Body.Attributes["resources"].Expr.Variables() {
			on = append(on, hclName(reference))
		}
		if list, bad := statement.Body.Attributes["resources"].Expr.Value(nil); !bad.HasErrors() { // it refers to nothing
			for _, resource := range list.AsValueSlice() {
				on = append(on, resource.AsString())
			}
		}
		for _, action := range actions.AsValueSlice() {
			found[action.AsString()] = strings.Join(on, ",")
		}
	}
	for action, resource := range found {
		if granted[action] != resource {
			problems = append(problems, fmt.Errorf("policy: %s on %s is more than is needed", action, resource))
		}
	}
	for action := range granted {
		if found[action] == "" {
			problems = append(problems, fmt.Errorf("policy: %s is missing", action))
		}
	}
	return problems
}

func hclName(t hcl.Traversal) string { return strings.Join(names(t), ".") }

// names are the names of a traversal's steps, without indices.
func names(t hcl.Traversal) []string {
	var parts []string
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			parts = append(parts, s.Name)
		case hcl.TraverseAttr:
			parts = append(parts, s.Name)
		}
	}
	return parts
}
