package engine

import "fmt"

// What a printer, a logger or an encoder of texts and JSON gets of a customer,
// whichever way it asks and however deep in another exported field it finds them.
const (
	printedContact  = "(contact)"
	printedIdentity = "(identity)"
)

// Format keeps names and numbers out of every text that is printed of c. Who needs
// one takes the field.
func (Contact) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(printedContact)) }

// MarshalText does the same for logs and JSON.
func (Contact) MarshalText() ([]byte, error) { return []byte(printedContact), nil }

// Format keeps numbers and IDs out of every text that is printed of i.
func (Identity) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(printedIdentity)) }

// MarshalText does the same for logs and JSON.
func (Identity) MarshalText() ([]byte, error) { return []byte(printedIdentity), nil }
