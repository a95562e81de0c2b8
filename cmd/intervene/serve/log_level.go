package serve

import (
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/intervenehq/intervene/cmd/intervene/config"
)

// LogLevelPath is on the admin listener.
const LogLevelPath = "/-/log-level"

// maxLevelBytes bounds the name of a level.
const maxLevelBytes = 64

type shownLevel struct {
	LogLevel string `json:"log_level"`
}

func (e *Engine) showLogLevel(w http.ResponseWriter, _ *http.Request) {
	e.answer(w, http.StatusOK, shownLevel{strings.ToLower(e.level.Level().String())})
}

// changeLogLevel holds until the next reload, or the next change.
func (e *Engine) changeLogLevel(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxLevelBytes))
	if err != nil {
		say(w, http.StatusBadRequest, "the level could not be read\n")
		return
	}
	level, ok := config.ParseLogLevel(strings.TrimSpace(string(text)))
	if !ok {
		e.answer(w, http.StatusUnprocessableEntity, refusal{[]string{config.LogLevels}})
		return
	}
	e.level.Set(level)
	e.log.Log(r.Context(), max(level, slog.LevelInfo), "log level changed", slog.String("level", level.String()))
	e.showLogLevel(w, r)
}
