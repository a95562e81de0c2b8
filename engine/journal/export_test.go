package journal

import "github.com/cockroachdb/pebble/v2"

// BeginFlush begins to write what is in memory to a table. Appends go on, into
// a WAL file of their own.
func (j *Journal) BeginFlush() (flushed <-chan struct{}, err error) { return j.db.AsyncFlush() }

// StoreUncompressed lets what stands in tables be found by its bytes, until
// restore is called.
func StoreUncompressed() (restore func()) {
	before := compression
	compression = pebble.DBCompressionNone
	return func() { compression = before }
}
