// Package examples holds flows to start from. Their files explain themselves.
package examples

import _ "embed"

// Shop is the flow of a shop, in English and Spanish.
//
//go:embed shop.yaml
var Shop []byte
