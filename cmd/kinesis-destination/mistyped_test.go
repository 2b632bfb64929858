package main

import (
	"strings"
	"testing"
)

func TestAMistypedCommandLineSaysWhatWasMeant(t *testing.T) {
	for line, want := range map[string]string{
		"explain --partition x":                       "--partition \"x\": must be a whole number\nSee 'kinesis-destination explain --help'\n",
		"verify --list x":                             "--list \"x\": must be a whole number\n",
		"produce-sample --count x":                    "--count \"x\": must be a whole number\n",
		"produce-sample --count 99999999999999999999": "--count \"99999999999999999999\": is too large\n",
		"produce-sample --seed -1":                    "--seed \"-1\": must be a whole number that is not negative\n",
		"replay --rate fast":                          "--rate \"fast\": must be a number\n",
		"explain --raw=perhaps":                       "--raw \"perhaps\": must be true or false\n",
		"explain --exampel":                           "unknown flag: --exampel (did you mean --example?)\n",
		"replay --form earliest":                      "unknown flag: --form (did you mean --from?)\n",
		"lag --zzzzzzzzzzzz":                          "unknown flag: --zzzzzzzzzzzz\n",
		"explan":                                      "unknown command \"explan\" for \"kinesis-destination\" (did you mean explain?)\n",
		"dead-letters lst":                            "unknown command \"lst\" for \"kinesis-destination dead-letters\" (did you mean list?)\n",
		"help explan":                                 "there is no command \"explan\" (did you mean explain?)\n",
		"help dead-letters lst":                       "there is no command \"dead-letters lst\" (did you mean list?)\n",
		"completion bas":                              "unknown command \"bas\" for \"kinesis-destination completion\" (did you mean bash?)\n",
		"zzzzzzzz":                                    "unknown command \"zzzzzzzz\" for \"kinesis-destination\"\n",
		"explain -c d.yaml --example event.json":      "--example prints an event of the schema and reads none: leave FILE (event.json) out\n",
		"explain -c d.yaml --example --raw":           "--example goes with --schema alone\n",
	} {
		got := command(t, "", strings.Fields(line)...)
		if got.code != exitUsage || !strings.HasPrefix(got.stderr, want) || !strings.Contains(got.stderr, "See 'kinesis-destination") || got.stdout != "" {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

func TestWhatBecomesOfLettersIsCompleted(t *testing.T) {
	got := command(t, "", "__complete", "replay", "--letters", "")
	if got.code != 0 || !strings.HasPrefix(got.stdout, "write\nskip\n") {
		t.Errorf("%+v", got)
	}
}
