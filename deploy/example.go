// Package deploy holds what an operator begins with: units, images, manifests, and the
// example of a configuration, which the binary prints. It runs nothing.
package deploy

import _ "embed"

// Example is a configuration with every key explained.
//
//go:embed intervene.yaml
var Example []byte
