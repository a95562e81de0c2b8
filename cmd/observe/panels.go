package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// panelQuery is one query of a dashboard, as Grafana would send it.
type panelQuery struct {
	file, panel, expression string
	// mayBeEmpty is of panels that say what they show when there is nothing.
	mayBeEmpty bool
}

// variables are what Grafana puts into queries.
var variables = strings.NewReplacer(
	"$__rate_interval", "1m", "$__range", "1m", "$workspace", ".*", "$channel", ".*", "$instance", ".*")

func panelQueries(dir string) (all []panelQuery, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a dashboard: %w", err)
		}
		var dashboard struct {
			Panels []struct {
				Title       string
				Targets     []struct{ Expr string }
				FieldConfig struct{ Defaults struct{ NoValue string } }
			}
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				all = append(all, panelQuery{
					filepath.Base(file), panel.Title, variables.Replace(target.Expr), panel.FieldConfig.Defaults.NoValue != "",
				})
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("got no query of a dashboard, want some")
	}
	return all, nil
}
