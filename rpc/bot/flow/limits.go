package flow

import (
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Limits of a file. Those of a single field stand in the schema, those of what
// WhatsApp sends in package engine.
const (
	// MaxFileBytes bounds a file.
	MaxFileBytes = 1 << 20
	// MaxFileDepth bounds how deeply it is nested.
	MaxFileDepth = 64
	// MaxVariables bounds the variables of a flow. The engine's other ones are
	// for the position.
	MaxVariables = engine.MaxVariables - reservedVariables
	// MaxPhrases bounds the words of all keywords: every message is searched for
	// each of them.
	MaxPhrases = 2000
	// MaxPhraseRunes bounds one of them: what a button can carry.
	MaxPhraseRunes = engine.MaxButtonIDRunes
)

// Limits of a turn.
const (
	// MaxSteps is how many nodes a turn runs through.
	MaxSteps = 100
	// MaxCalls is how many calls it makes, and DefaultCallTimeout how long it waits
	// for each. The turn's own deadline comes first.
	MaxCalls           = 3
	DefaultCallTimeout = 5 * time.Second
	// MaxCallBytes bounds the answer to a call.
	MaxCallBytes = 64 << 10
	// MaxConditionCost bounds what one condition or expression may cost, in CEL's
	// own units: about one for each step of it.
	MaxConditionCost = 10_000
	// MaxValueRunes bounds what one variable holds, MaxValueBytes all of them.
	MaxValueRunes = 1000
	MaxValueBytes = engine.MaxVariableBytes - positionBytes
	// MaxURLValue bounds what one variable adds to a URL, escaped.
	MaxURLValue = 300
	// MaxHeardRunes bounds how much of one message is searched for words.
	MaxHeardRunes = engine.MaxTextRunes
	// DefaultMisses is after how many misses in a row the fallback's next begins,
	// where the file says nothing.
	DefaultMisses = 3
)

const (
	// reservedVariables are those of the position, with room for more.
	reservedVariables = 16
	// positionBytes is more than the position takes.
	positionBytes = 1 << 10
)
