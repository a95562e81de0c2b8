package engine

// Trace names the span of a trace in which something began, so that what it leads
// to later, perhaps after a restart, can be linked to it. It is opaque here: the 16
// bytes of a trace's ID, the 8 of a span's, one of flags. Empty: nobody records
// what happens. It never changes what is decided.
type Trace string

// TraceBytes is how long a Trace is that is not empty.
const TraceBytes = 25
