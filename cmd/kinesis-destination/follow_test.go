package main

import (
	"strings"
	"testing"
)

func TestFollowingRefusesFlagsThatDoNotGoTogether(t *testing.T) {
	source, keys, dir := serveFiles(t)
	for args, said := range map[string]string{
		"run --follow":                                                                    "--brokers LIST",
		"run --follow --brokers a:1":                                                      "--source FILE",
		"run --follow --brokers a:1 --source S -c X":                                      "do not go together",
		"run --follow --brokers a:1 --source S":                                           "--seal-keys FILE",
		"run --follow --brokers a:1 --source keys":                                        "keys",
		"run --follow --brokers a:1 --source S --seal-keys K --admin here":                "--admin",
		"run --follow --brokers a:1 --source S --seal-keys K --flows -1":                  "--flows",
		"run --follow --brokers a:1 --source S --seal-keys K --memory 100MiB --flows 100": "for 100 flows",
		"run --follow --brokers a:1 --source S --seal-keys K --memory 32MiB":              "too little",
		"serve --run --store D --source S --seal-keys K --memory much":                    "--memory",
		"serve --run --store D --source S --seal-keys K --admin here":                     "--admin",
	} {
		replace := strings.NewReplacer(" D", " "+dir+"/store", " S", " "+source, " K", " "+keys)
		if got := command(t, "", strings.Fields(replace.Replace(args))...); got.code != exitUsage || !strings.Contains(got.stderr, said) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// Without --flows, there are as many as there is memory for, a hundred at most.
func TestAsManyFlowsAsThereIsMemoryFor(t *testing.T) {
	for size, most := range map[string]int{"": 100, "1GiB": 100, "160MiB": 49, "66MiB": 2} {
		o := followOptions{admin: "127.0.0.1:0", size: size}
		room, err := o.room()
		if err != nil {
			t.Fatal(err)
		}
		room.end()
		if room.most != most {
			t.Errorf("%q: %d flows, wanted %d", size, room.most, most)
		}
	}
}
