package serve

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/intervenehq/intervene/rpc"
)

// SessionKeyName is the file, within the data directory, of what seals the sessions
// of the console. It is in no backup: where there is none, all sign in again.
const SessionKeyName = "session.key"

// sessionKey reads the key in dir, or makes one.
func sessionKey(dir string) (key rpc.SessionKey, err error) {
	path := filepath.Join(dir, SessionKeyName)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newSessionKey(path)
	}
	if err != nil {
		return rpc.SessionKey{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return rpc.SessionKey{}, err
	}
	// Whoever reads it can sign in as anybody whose token's hash they know.
	if info.Mode().Perm()&0o077 != 0 {
		return rpc.SessionKey{}, fmt.Errorf("%s: others may read it (mode %#o, want 0600); remove it to get a new one", path, info.Mode().Perm())
	}
	if info.Size() != int64(len(key)) {
		return rpc.SessionKey{}, fmt.Errorf("%s: has %d bytes, want %d; remove it to get a new one", path, info.Size(), len(key))
	}
	_, err = io.ReadFull(file, key[:])
	return key, err
}

func newSessionKey(path string) (rpc.SessionKey, error) {
	var key rpc.SessionKey
	rand.Read(key[:]) // never fails
	err := saveFile(path, 0o600, func(w io.Writer) error {
		_, err := w.Write(key[:])
		return err
	})
	return key, err
}
