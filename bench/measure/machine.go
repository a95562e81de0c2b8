package measure

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine is what was measured on, and how busy it was.
type Machine struct {
	When              time.Time
	Go, Kernel, Model string
	CPUs              int
	MemoryGB          float64
	LoadBefore        float64
	LoadAfter         float64
}

// Here describes this machine as it is.
func Here() (Machine, error) {
	m := Machine{When: time.Now().UTC().Truncate(time.Minute), Go: runtime.Version(), CPUs: runtime.NumCPU(), Model: modelOf()}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, fmt.Errorf("describe the machine: %w", err)
	}
	m.Kernel = strings.TrimSpace(string(release))
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return m, fmt.Errorf("describe the machine: %w", err)
	}
	m.MemoryGB = float64(info.Totalram) * float64(info.Unit) / (1 << 30)
	m.LoadBefore, err = LoadAverage()
	return m, err
}

// Ended notes how busy the machine is now.
func (m *Machine) Ended() (err error) {
	m.LoadAfter, err = LoadAverage()
	return err
}

// String is a line for a document.
func (m *Machine) String() string {
	return fmt.Sprintf("%s, %d CPUs (%s), %.0f GB, Linux %s, %s; load average %.1f before, %.1f after.",
		m.When.Format("2006-01-02 15:04 MST"), m.CPUs, m.Model, m.MemoryGB, m.Kernel, m.Go, m.LoadBefore, m.LoadAfter)
}

// modelOf is the processor's name where the system tells it.
func modelOf() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// LoadAverage is the machine's over a minute.
func LoadAverage() (float64, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, fmt.Errorf("read the load: %w", err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0, fmt.Errorf("the load: %w", err)
	}
	return load, nil
}
