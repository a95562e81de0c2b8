package serve

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// partialSuffix is what a file is called while it is written.
const partialSuffix = ".partial"

// SaveFile makes the file at path of what write writes: durable and whole, or not
// at all. Its owner alone may read it. What a crash leaves of an attempt the next
// one writes over.
func SaveFile(path string, write func(io.Writer) error) error { return saveFile(path, 0o600, write) }

func saveFile(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	partial := path + partialSuffix
	file, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.Remove(partial); err != nil && removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}()
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
