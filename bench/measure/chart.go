package measure

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/wcharczuk/go-chart/v2"
)

const chartWidth, chartHeight = 640, 400

// Chart is lines over one axis.
type Chart struct {
	Name        string // of the file, without its ending
	Title, X, Y string
	LogX, LogY  bool
	Lines       []Line
}

// Line is points, in the order of X.
type Line struct {
	Name string
	X, Y []float64
}

// Draw writes charts as SVG files into a folder.
func Draw(folder string, charts []Chart) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	for _, c := range charts {
		if err := c.draw(filepath.Join(folder, c.Name+".svg")); err != nil {
			return fmt.Errorf("draw %s: %w", c.Name, err)
		}
	}
	return nil
}

// Images shows in a document what Draw has drawn into a folder.
func Images(document, folder string, charts []Chart) (string, error) {
	if folder == "" {
		return "", nil
	}
	at, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("show charts: %w", err)
	}
	home, err := filepath.Abs(filepath.Dir(document))
	if err != nil {
		return "", fmt.Errorf("show charts: %w", err)
	}
	from, err := filepath.Rel(home, at)
	if err != nil {
		return "", fmt.Errorf("show charts: %w", err)
	}
	var b strings.Builder
	for _, c := range charts {
		if _, err := os.Stat(filepath.Join(folder, c.Name+".svg")); err == nil {
			fmt.Fprintf(&b, "\n![%s: %s by %s](%s)\n", c.Title, c.Y, c.X, filepath.ToSlash(filepath.Join(from, c.Name+".svg")))
		}
	}
	return b.String(), nil
}

func (c *Chart) draw(path string) error {
	x, y := newAxis(c.LogX), newAxis(c.LogY)
	graph := chart.Chart{Title: c.Title, Width: chartWidth, Height: chartHeight, Background: chart.Style{Padding: chart.NewBox(110, 40, 20, 10)}}
	for _, line := range c.Lines {
		graph.Series = append(graph.Series, chart.ContinuousSeries{
			Name: line.Name, XValues: x.places(line.X), YValues: y.places(line.Y), Style: chart.Style{DotWidth: 3, StrokeWidth: 2},
		})
	}
	if x.low >= x.high {
		return nil // a point is no line
	}
	if !c.LogY {
		y.low, y.high = 0, max(y.high, 1)
	}
	graph.XAxis = chart.XAxis{Name: c.X, Ticks: x.ticks(), Range: &chart.ContinuousRange{Min: x.low, Max: x.high}}
	graph.YAxis = chart.YAxis{Name: c.Y, Ticks: y.ticks(), Range: &chart.ContinuousRange{Min: y.low, Max: y.high}} // after the ticks, which round both
	graph.Elements = []chart.Renderable{chart.LegendLeft(&graph)}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(graph.Render(chart.SVG, file), file.Close())
}

// axis is where values stand: at themselves, or at their logarithms.
type axis struct {
	log       bool
	low, high float64
}

func newAxis(log bool) *axis { return &axis{log: log, low: math.Inf(1), high: math.Inf(-1)} }

func (a *axis) places(values []float64) []float64 {
	places := make([]float64, len(values))
	for i, value := range values {
		if a.log {
			value = math.Log10(max(value, 1e-3))
		}
		places[i] = value
		a.low, a.high = min(a.low, value), max(a.high, value)
	}
	return places
}

// ticks are the powers of ten of a logarithmic axis, and five steps of another.
func (a *axis) ticks() []chart.Tick {
	var ticks []chart.Tick
	if a.log {
		a.low, a.high = math.Floor(a.low), max(math.Ceil(a.high), math.Floor(a.low)+1)
		for power := a.low; power <= a.high; power++ {
			ticks = append(ticks, chart.Tick{Value: power, Label: number(math.Pow(10, power))})
		}
		return ticks
	}
	const steps = 5
	for i := range steps + 1 {
		value := a.low + (a.high-a.low)*float64(i)/steps
		ticks = append(ticks, chart.Tick{Value: value, Label: number(value)})
	}
	return ticks
}
