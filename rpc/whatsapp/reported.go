package whatsapp

import (
	"encoding/json"
	"strconv"
)

// MaxReportedCodes bounds the error codes of one POST that are logged.
const MaxReportedCodes = 16

// wireError is one of Meta's errors, wherever it stands: in a change, a message
// or a status.
type wireError struct {
	Code    lenientString `json:"code"`
	Title   lenientString `json:"title"`
	Message lenientString `json:"message"`
	Data    struct {
		Details lenientString `json:"details"`
	} `json:"error_data"`
}

func (e *wireError) code() int32 {
	code, err := strconv.ParseInt(string(e.Code), 10, 32)
	if err != nil {
		return 0
	}
	return int32(code)
}

// detail is the longest that Meta says of it.
func (e *wireError) detail() string {
	if e.Data.Details != "" {
		return clip(string(e.Data.Details), MaxDetailBytes)
	}
	return clip(either(e.Message, e.Title), MaxDetailBytes)
}

// firstError is the first error that Meta lists: 0 if it lists none.
func firstError(raw json.RawMessage) (code int32, detail string) {
	errs, ok := list(raw)
	if !ok || len(errs) == 0 {
		return 0, ""
	}
	first := parseError(errs[0])
	return first.code(), first.detail()
}

// parseError is what fits of an error: it is told even if some of it does not.
func parseError(raw json.RawMessage) wireError {
	var reported wireError
	if !object(raw, &reported) && reported.code() == 0 {
		return wireError{}
	}
	return reported
}

// report counts the errors of a change or a message, and keeps their codes for
// the log: they name nobody.
func (d *delivery) report(kind oddityKind, raw json.RawMessage) {
	if raw == nil {
		return
	}
	errs := d.list(kind, raw)
	d.odd(kind, reportedError, len(errs))
	for _, raw := range errs {
		if len(d.codes) == MaxReportedCodes {
			return
		}
		reported := parseError(raw)
		if d.codes == nil {
			d.codes = make(map[int32]int)
		}
		d.codes[reported.code()]++
	}
}
