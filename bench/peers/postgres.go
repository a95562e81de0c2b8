package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connections are those of the pool of one transaction a command; more in flight
	// wait for one. More of them were slower.
	connections = 64
	// postgresStart and postgresStop bound its start and its end.
	postgresStart, postgresStop = time.Minute, 30 * time.Second
	startPause                  = 100 * time.Millisecond
)

// postgresSettings are as somebody would tune it for this: durable, with room.
var postgresSettings = []string{
	"listen_addresses=", "fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=150",
	"shared_buffers=1GB", "wal_buffers=64MB", "max_wal_size=8GB", "min_wal_size=1GB", "checkpoint_timeout=15min", "jit=off",
}

const postgresSchema = `
create table head (conversation bigint primary key, version bigint not null, state bytea not null) with (fillfactor = 70);
create table event (conversation bigint, version bigint, body bytea not null, primary key (conversation, version));
create table dedupe (hash bytea primary key, at timestamptz not null default now());
create table due (conversation bigint primary key, at timestamptz not null) with (fillfactor = 70);
`

// writeOne is a transaction by itself: one statement, one round.
const writeOne = `
with moved as (
	update head set version = version + 1, state = $3 where conversation = $1 and version = $2 returning 1
), told as (
	insert into event select $1, $2 + 1, $4::bytea from moved
), taken as (
	insert into dedupe (hash) select $5::bytea from moved where $5::bytea is not null
), armed as (
	insert into due select $1, $6::timestamptz from moved where $6::timestamptz is not null
	on conflict (conversation) do update set at = excluded.at
)
select count(*) from moved`

// writeMany is the same of as many commands as wait.
const writeMany = `
with given as (
	select * from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::timestamptz[])
		as g(conversation, version, state, body, hash, due)
), moved as (
	update head h set version = h.version + 1, state = g.state from given g
	where h.conversation = g.conversation and h.version = g.version returning h.conversation
), kept as (
	select g.* from given g join moved using (conversation)
), told as (
	insert into event select conversation, version + 1, body from kept
), taken as (
	insert into dedupe (hash) select hash from kept where hash is not null
), armed as (
	insert into due select conversation, due from kept where due is not null
	on conflict (conversation) do update set at = excluded.at
)
select conversation from moved`

var errConflict = errors.New("the head has another version")

// postgres is a cluster of its own, gone when it is closed.
type postgres struct {
	dir     string
	server  *exec.Cmd
	ended   chan error
	pool    *pgxpool.Pool
	version string
	// complaints are the server's log; read once it has ended.
	complaints bytes.Buffer
}

// postgresPrograms is where Debian has the newest.
func postgresPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return "", errors.Join(errors.New("PostgreSQL is not installed: apt-get install postgresql, or --skip postgres"), err)
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}

// startPostgres makes a cluster below dir, as the user postgres if this is root,
// whom PostgreSQL refuses.
func startPostgres(ctx context.Context, dir string) (p *postgres, err error) {
	programs, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	p = &postgres{ended: make(chan error, 1)}
	if p.dir, err = os.MkdirTemp(dir, "postgres-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	attributes, err := asPostgres(p.dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(p.dir, "data")
	initialize := exec.CommandContext(ctx, filepath.Join(programs, "initdb"), "-D", data, "-U", "bench", "--auth=trust", "--encoding=UTF8", "--no-locale")
	initialize.SysProcAttr, initialize.Dir = attributes, p.dir
	if output, err := initialize.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, output)
	}
	arguments := []string{"-D", data, "-k", p.dir}
	for _, setting := range postgresSettings {
		arguments = append(arguments, "-c", setting)
	}
	server := exec.Command(filepath.Join(programs, "postgres"), arguments...)
	server.SysProcAttr, server.Dir, server.Stderr = attributes, p.dir, &p.complaints
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	p.server = server
	go func() { p.ended <- server.Wait() }()
	return p, p.connect(ctx)
}

// asPostgres gives dir to the user postgres, if this is root, and says how to be
// that user.
func asPostgres(dir string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attributes, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses root: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the user postgres: %w", err)
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(dir, int(uid), int(gid))
}

func (p *postgres) connect(ctx context.Context) error {
	config, err := pgxpool.ParseConfig(fmt.Sprintf("host=%s user=bench dbname=postgres pool_max_conns=%d", p.dir, connections))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if p.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	for deadline := time.Now().Add(postgresStart); ; {
		if err = p.pool.QueryRow(ctx, "show server_version").Scan(&p.version); err == nil {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		}
		select {
		case ended := <-p.ended:
			p.server = nil
			return fmt.Errorf("PostgreSQL ended: %w\n%s", errors.Join(ended, err), p.complaints.String())
		case <-time.After(startPause):
		}
	}
	p.version, _, _ = strings.Cut(p.version, " ")
	return nil
}

// clear begins anew, with all heads.
func (p *postgres) clear(ctx context.Context) error {
	_, err := p.pool.Exec(ctx, "drop table if exists head, event, dedupe, due;"+postgresSchema+
		fmt.Sprintf("insert into head select i, 0, '' from generate_series(0, %d) as i; analyze head;", hot-1))
	if err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	return nil
}

// write is one transaction a command.
func (p *postgres) write(ctx context.Context, e *entry) error {
	var moved int
	if err := p.pool.QueryRow(ctx, writeOne, e.conversation, e.version, e.head, e.event, e.hash, e.dueOrNil()).Scan(&moved); err != nil {
		return fmt.Errorf("write to PostgreSQL: %w", err)
	}
	if moved != 1 {
		return errConflict
	}
	return nil
}

func (e *entry) dueOrNil() *time.Time {
	if e.due.IsZero() {
		return nil
	}
	return &e.due
}

func (p *postgres) close() error {
	if p.pool != nil {
		p.pool.Close()
	}
	var err error
	if p.server != nil {
		err = p.server.Process.Signal(syscall.SIGINT) // a fast shutdown
		select {
		case ended := <-p.ended:
			err = errors.Join(err, ended)
		case <-time.After(postgresStop):
			err = errors.Join(errors.New("PostgreSQL did not end and was killed"), err, p.server.Process.Signal(syscall.SIGQUIT))
			<-p.ended
		}
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
