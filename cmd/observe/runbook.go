package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// runbook is the drill of one alert. Either what is typed beside a site, or, for what
// one machine cannot have in a reasonable time, promtool's test of the rule.
type runbook struct {
	alert            string
	fault, end, tidy string // what makes the fault, what ends it, and what is left to do
	test             string // the file of promtool's test
}

var (
	drillHeading = regexp.MustCompile(`(?m)^## Drill$`)
	shellBlock   = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	provenBy     = regexp.MustCompile(`^promtool test rules (\S+_test\.yaml)\n$`)
)

// readRunbook holds a runbook to the convention: below "## Drill" stand two blocks of
// shell, the fault and its end, and if need be a third that tidies up; or one that runs
// promtool and nothing else.
func readRunbook(file string) (r runbook, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return runbook{}, fmt.Errorf("read a runbook: %w", err)
	}
	r.alert = strings.TrimSuffix(filepath.Base(file), ".md")
	place := drillHeading.FindIndex(text)
	if place == nil {
		return runbook{}, fmt.Errorf("%s: got no drill, want one", file)
	}
	blocks := shellBlock.FindAllSubmatch(text[place[1]:], -1)
	switch len(blocks) {
	case 1:
		test := provenBy.FindSubmatch(blocks[0][1])
		if test == nil {
			return runbook{}, fmt.Errorf("%s: got one block of shell, want promtool's test in it, or the end of the fault in a second", file)
		}
		r.test = string(test[1])
	case 2, 3:
		r.fault, r.end = string(blocks[0][1]), string(blocks[1][1])
		if len(blocks) == 3 {
			r.tidy = string(blocks[2][1])
		}
	default:
		return runbook{}, fmt.Errorf("%s: got %d blocks of shell in the drill, want the fault, its end, and perhaps what tidies up", file, len(blocks))
	}
	return r, nil
}

// readRunbooks are those of a folder by name, or the named ones.
func readRunbooks(dir string, only []string) (all []runbook, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return nil, err
	}
	if len(only) > 0 {
		files = nil
		for _, name := range only {
			files = append(files, filepath.Join(dir, name+".md"))
		}
	}
	for _, file := range files {
		if filepath.Base(file) == "README.md" {
			continue
		}
		r, err := readRunbook(file)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}
