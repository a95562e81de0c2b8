// Package record is the schema of a journal's disk, generated from
// record.proto. It holds no behaviour: package journal turns records into the
// engine's values and back.
package record
