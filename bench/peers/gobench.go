package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// suite is the compiled benchmarks of one of the engine's packages. Each compares
// the engine with a base in turns of its own.
type suite struct{ binary, folder string }

// values are what a benchmark reported, by unit.
type values map[string]float64

// compile makes the benchmarks of a package below root.
func compile(ctx context.Context, root, pkg, dir string) (*suite, error) {
	s := &suite{binary: filepath.Join(dir, strings.ReplaceAll(pkg, "/", "-")+".test"), folder: filepath.Join(root, pkg)}
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", s.binary, "./"+pkg)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the benchmarks of %s: %w\n%s", pkg, err, output)
	}
	return s, nil
}

// run runs the benchmarks that match, below which dir has their data, and says
// what each reported, by name.
func (s *suite) run(ctx context.Context, pattern, dir string, long time.Duration) (map[string]values, error) {
	benchmark := exec.CommandContext(ctx, s.binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", long.String())
	benchmark.Dir, benchmark.Env = s.folder, append(os.Environ(), "TMPDIR="+dir)
	output, err := benchmark.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w\n%s", pattern, err, output)
	}
	return parse(string(output))
}

// parse reads what go test -bench prints: a name, a count, and values with units.
func parse(output string) (map[string]values, error) {
	all := make(map[string]values)
	for lines := bufio.NewScanner(strings.NewReader(output)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if at := strings.LastIndexByte(name, '-'); at > 0 {
			name = name[:at] // how many processors there are
		}
		got := make(values)
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("benchmark %s: %w", name, err)
			}
			got[fields[i+1]] = value
		}
		all[name] = got
	}
	if len(all) == 0 {
		return nil, errors.New("no benchmark was run")
	}
	return all, nil
}
