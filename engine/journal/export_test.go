package journal

// BeginFlush begins to write what is in memory to a table. Appends go on, into
// a WAL file of their own.
func (j *Journal) BeginFlush() (flushed <-chan struct{}, err error) { return j.db.AsyncFlush() }
