package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
)

// inspection is a journal that is looked at while no engine runs on it. Nothing
// in its directory is changed.
type inspection struct {
	db    *pebble.DB
	lock  io.Closer
	shard engine.Shard
	mark  marked
}

// inspect opens the journal in dir for reading. It is refused while an engine
// has it open; a checkpoint can be inspected instead.
func inspect(dir string, fs vfs.FS) (*inspection, error) {
	o, err := Options{FS: fs, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	if err != nil {
		return nil, err
	}
	p := placeOf(o.FS, dir)
	there, err := exists(p.fs, p.store)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, engine.Errorf(engine.CodeNotFound, "there is no journal in the directory")
	}
	lock, err := p.fs.Lock(p.lock)
	if err != nil {
		return nil, &engine.Error{Code: engine.CodeFenced, Err: fmt.Errorf("lock the directory: %w", err)}
	}
	i := &inspection{lock: lock}
	if err := i.load(p, o); err != nil {
		return nil, errors.Join(err, i.close())
	}
	return i, nil
}

func (i *inspection) load(p place, o Options) (err error) {
	if i.mark, _, err = readMark(p.fs, p.mark); err != nil {
		return err
	}
	var failed error
	events := &storeEvents{logger: o.Logger, die: func(err error) { failed = err }}
	options := storeOptions(o, events)
	options.ReadOnly = true
	if i.db, err = openStore(p.store, options); err != nil {
		return err
	}
	if failed != nil {
		return corrupt("open pebble: %w", failed)
	}
	meta, err := identify(i.db, i.mark.identity)
	i.shard = engine.Shard(meta.GetShard())
	return err
}

func (i *inspection) close() error {
	var err error
	if i.db != nil {
		err = i.db.Close()
	}
	return errors.Join(err, i.lock.Close())
}
