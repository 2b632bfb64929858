// Command deployments checks what is below deployments/ as far as that needs
// libraries and no server. It has a module of its own, so that the product's
// module stays lean.
package main

import (
	"fmt"
	"os"
)

// checks are the commands; each returns all that is wrong, and says what it checked.
var checks = map[string]func(args []string) (string, []error){
	"compose":    checkCompose,
	"dockerfile": checkDockerfile,
	"terraform":  checkTerraform,
	"chart":      checkChart,
	"dashboard":  checkDashboard,
}

func main() {
	if len(os.Args) < 3 || checks[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: deployments compose|dockerfile|terraform|chart|dashboard PATH…")
		os.Exit(2)
	}
	what, problems := checks[os.Args[1]](os.Args[2:])
	for _, problem := range problems {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%s: %s\n", os.Args[1], what)
}
