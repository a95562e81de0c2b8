// Package media keeps the files of messages, each in the folder of its
// conversation and named by its content. A file that it answered for is durable;
// whatever a crash leaves behind besides is removed by the next start. It never
// looks into a file, never tells what kind one is, and never deletes one on its
// own: what belongs to which message stands in the journal.
package media
