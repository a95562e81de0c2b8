package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine/archive"
)

const (
	// adminDialTimeout bounds finding the engine, maxAdminAnswer what it answers
	// besides a backup.
	adminDialTimeout = 5 * time.Second
	maxAdminAnswer   = 64 << 10
	// backupBuffer is how much of a backup is in memory between its parts.
	backupBuffer = 1 << 20
)

// adminAddress is where the running engine's admin listener is.
type adminAddress struct {
	Admin  string `placeholder:"HOST:PORT" help:"The admin_listen of the running engine; ${default_admin} unless --config says otherwise."`
	Config string `type:"existingfile" placeholder:"FILE" help:"The engine's configuration, to read admin_listen from."`
}

func (a adminAddress) url(path string) (string, error) {
	address := a.Admin
	if address == "" && a.Config != "" {
		c, err := config.Load(a.Config)
		if err != nil {
			return "", err
		}
		address = c.AdminListen
	}
	if address == "" {
		address = config.DefaultAdminListen
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("--admin: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // all addresses: this machine's is one
	}
	return "http://" + net.JoinHostPort(host, port) + path, nil
}

// ask asks the engine. Whoever asked closes the answer.
func (a adminAddress) ask(ctx context.Context, method, path string) (*http.Response, error) {
	url, err := a.url(path)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: adminDialTimeout}).DialContext, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the engine: is it running? %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAdminAnswer))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, fmt.Errorf("ask the engine: %w", err)
	}
	return nil, fmt.Errorf("the engine refused (%s): %s", answer.Status, strings.TrimSpace(string(text)))
}

type backupCommand struct {
	adminAddress
	Output string `required:"" short:"o" placeholder:"FILE" help:"The file to write; - is the standard output. A name that ends in .zst is compressed."`
	Zstd   bool   `help:"Compress the backup, whatever the file is called."`
	Force  bool   `help:"Write over a file that is there."`
}

// Run has the engine make a backup and checks every byte of it on its way: a file
// that is there afterwards is whole.
func (b backupCommand) Run(ctx context.Context, c console) error {
	if b.Output != "-" && !b.Force {
		if _, err := os.Lstat(b.Output); err == nil {
			return fmt.Errorf("%s is there already: choose another name, or --force", b.Output)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	answer, err := b.ask(ctx, http.MethodPost, serve.BackupPath)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	expected, err := strconv.ParseInt(answer.Header.Get(serve.BackupBytesHeader), 10, 64)
	if err != nil {
		return fmt.Errorf("the engine's answer is no backup: is %s its admin listener?", answer.Request.URL.Host)
	}
	show := newProgress(c.err, "backup", expected)
	from := io.TeeReader(answer.Body, show)

	var all archive.Summary
	if b.Output == "-" {
		all, err = b.pass(from, c.out)
	} else {
		err = serve.SaveFile(b.Output, func(to io.Writer) (err error) {
			all, err = b.pass(from, to)
			return err
		})
	}
	if err = errors.Join(err, show.end(err)); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	_, err = fmt.Fprintf(c.err, "backup of journal %s at offset %d: %d files, %d bytes, made at %s\nSHA256 %s\n",
		all.Head.Journal, all.Head.Offset, all.Files, all.Bytes, all.Head.MadeAt.Format(time.RFC3339), hex.EncodeToString(all.SHA256[:]))
	return err
}

// pass writes a backup and reads it at the same time.
func (b backupCommand) pass(from io.Reader, to io.Writer) (all archive.Summary, err error) {
	out := io.WriteCloser(unclosed{to})
	if b.Zstd || filepath.Ext(b.Output) == ".zst" {
		if out, err = zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest)); err != nil {
			return all, err
		}
	}
	checked, check := io.Pipe()
	result := make(chan error, 1)
	go func() {
		var err error
		all, err = archive.Read(checked, archive.Discard)
		result <- errors.Join(err, checked.CloseWithError(err))
	}()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(out, check)}, from, make([]byte, backupBuffer))
	err = errors.Join(err, check.CloseWithError(err))
	checkErr := <-result
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.Join(checkErr, err)
	}
	return all, errors.Join(err, out.Close())
}

// unclosed is whoever gave it's to close.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
