package media

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// File is one of the store.
type File struct {
	Conversation engine.ConversationID
	Blob         engine.BlobID
	Bytes        int64
	Stored       time.Time
}

// Files calls yield for every file, by conversation and name, until it answers an
// error, which is passed on. What is stored or removed meanwhile it may tell or not.
func (s *Store) Files(yield func(File) error) error {
	folders, err := s.fs.List(s.dir)
	if err != nil {
		return diskError("list folders", err)
	}
	slices.Sort(folders)
	for _, folder := range folders {
		conversation, err := engine.ParseConversationID(folder)
		if err != nil {
			continue // incoming, or none of ours
		}
		if err := s.filesOf(conversation, yield); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) filesOf(conversation engine.ConversationID, yield func(File) error) error {
	names, err := s.fs.List(s.folder(conversation))
	if errors.Is(err, iofs.ErrNotExist) {
		return nil // it was erased meanwhile
	}
	if err != nil {
		return diskError("list folder", err)
	}
	slices.Sort(names)
	for _, name := range names {
		if !named(engine.BlobID(name)) {
			continue
		}
		info, err := s.fs.Stat(s.fs.PathJoin(s.folder(conversation), name))
		if errors.Is(err, iofs.ErrNotExist) {
			continue
		}
		if err != nil {
			return diskError("look at file", err)
		}
		file := File{Conversation: conversation, Blob: engine.BlobID(name), Bytes: info.Size(), Stored: info.ModTime()}
		if err := yield(file); err != nil {
			return err
		}
	}
	return nil
}

// Copy adds every file to a backup by means of add, under the name that it has
// within the store. A file never changes, so what is removed meanwhile is all that
// a copy of another moment would have besides: of a conversation that was erased,
// or whose retention has passed.
func (s *Store) Copy(add func(name string, size int64, stored time.Time, r io.Reader) error) error {
	return s.Files(func(f File) error {
		file, size, err := s.Open(f.Conversation, f.Blob)
		if engine.CodeOf(err) == engine.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s/%s", f.Conversation, f.Blob)
		return errors.Join(add(name, size, f.Stored, file), file.Close())
	})
}
