// Package archive writes and reads backups: a tar of plain files with a SHA-256
// of each and one of everything. What it has read to its end is, to the last byte,
// what was written; any other stream is refused.
//
// It never looks into a file, touches no disk, and keeps no more of a backup in
// memory than a few thousand names.
//
// A backup has, in this order:
//
//	backup.json   what it is: a [Head]
//	files         by rising name, with the time of their last change
//	sums/000001   after every thousandth file and the last one: lines of
//	              `sha256sum` for the files since the one before
//	SHA256        the sum of all bytes before it, its own header left out
//
// docs/BACKUP.md says how to look into one with tar and sha256sum alone.
package archive
