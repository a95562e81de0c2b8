package serve

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine/archive"
)

const (
	// BackupPath, HeldPath and ReleasePath are on the admin listener.
	BackupPath  = "/-/backup"
	HeldPath    = "/-/held"
	ReleasePath = "/-/release"
	// BackupBytesHeader says about how much a backup will hold.
	BackupBytesHeader = "Intervene-Backup-Bytes"
	// backupStall ends a backup whose reader takes nothing: it holds on to disk space.
	backupStall = time.Minute
)

// operate adds what an operator does to a running engine, on the machine that it
// runs on: a backup holds everything that was ever said.
func (e *Engine) operate(mux *http.ServeMux) {
	mux.Handle("POST "+BackupPath, fromHere(e.serveBackup))
	mux.Handle("POST "+ReleasePath, fromHere(e.serveRelease))
	mux.Handle("POST "+ReloadPath, fromHere(e.serveReload))
	mux.Handle("PUT "+LogLevelPath, fromHere(e.changeLogLevel))
	mux.HandleFunc("GET "+LogLevelPath, e.showLogLevel)
	mux.HandleFunc("GET "+HeldPath, func(w http.ResponseWriter, _ *http.Request) { e.answer(w, http.StatusOK, e.held()) })
}

// fromHere lets only this machine in, and no browser that visits another site: not
// one that names the machine by a name of that site either.
func fromHere(next http.HandlerFunc) http.Handler {
	own := http.NewCrossOriginProtection()
	return own.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !peer.Addr().Unmap().IsLoopback() || !namesLoopback(r.Host) {
			say(w, http.StatusForbidden, "only from this machine\n")
			return
		}
		next(w, r)
	}))
}

func namesLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// serveBackup streams a backup. What fails once it has begun breaks the connection,
// and what arrived is refused, for lack of its end.
func (e *Engine) serveBackup(w http.ResponseWriter, r *http.Request) {
	one, err := e.backups.begin()
	switch {
	case errors.Is(err, ErrBackupRuns):
		say(w, http.StatusConflict, err.Error()+"\n")
		return
	case err != nil:
		e.log.Error("backup failed", slog.Any("error", err))
		say(w, http.StatusInternalServerError, "the checkpoint could not be made: the engine's log says why\n")
		return
	}
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set(BackupBytesHeader, strconv.FormatInt(one.head.Bytes, 10))
	var all archive.Summary
	err = control.SetReadDeadline(time.Time{}) // else it would end the request's context
	if err == nil {
		to := &stalling{to: w, control: control}
		defer context.AfterFunc(one.ctx, to.end)()
		all, err = one.write(r.Context(), to)
	}
	if err == nil {
		err = control.Flush()
	}
	if err := one.end(all, err); err != nil {
		e.log.Error("backup failed", slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
	e.log.Info("backup streamed", slog.Int64("bytes", all.Bytes), slog.Int("files", all.Files), slog.Duration("took", time.Since(one.began)))
}

// stalling gives each write a time of its own, until it is ended.
type stalling struct {
	to      io.Writer
	control *http.ResponseController

	mu    sync.Mutex
	ended bool
}

func (s *stalling) Write(data []byte) (int, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	return s.to.Write(data)
}

func (s *stalling) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errStopping
	}
	return s.control.SetWriteDeadline(time.Now().Add(backupStall))
}

// end breaks off the write that may be under way.
func (s *stalling) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	_ = s.control.SetWriteDeadline(time.Now()) // then the connection is gone already
}

var errStopping = errors.New("the engine stops")

// serveRelease releases what a restore holds, the way that the operator chooses.
func (e *Engine) serveRelease(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})); err != nil {
		e.log.Error("release: the connection has no deadlines", slog.Any("error", err))
	}
	var release func(*http.Request) (Released, error)
	switch r.FormValue("how") {
	case "send":
		release = e.releaseToSend
	case "drop":
		release = e.releaseToDrop
	default:
		say(w, http.StatusBadRequest, "how must be send or drop\n")
		return
	}
	released, err := release(r)
	if err != nil {
		e.log.Error("release failed", slog.Any("error", err))
		say(w, http.StatusInternalServerError, "not everything could be released: the engine's log says why\n")
		return
	}
	e.log.Info("released what was held since the restore", slog.String("how", r.FormValue("how")),
		slog.Int("sends", released.Sends), slog.Int("turns", released.Turns))
	e.answer(w, http.StatusOK, released)
}

func (e *Engine) answer(w http.ResponseWriter, status int, what any) {
	text, err := json.Marshal(what)
	if err != nil {
		e.log.Error("answer on the admin listener", slog.Any("error", err))
		say(w, http.StatusInternalServerError, "the answer could not be written\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the operator went away
}
