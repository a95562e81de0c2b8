// Package measure is what a load and a comparison have in common: loads whose
// latencies leave nothing out, tables, charts, and the place in a document where
// they go.
//
// It knows nothing of what is measured.
package measure
