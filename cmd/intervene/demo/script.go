package demo

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// What customers say. The ref that follows each makes it unlike any other, so
// that a message can be found again without any id of the engine's.
var (
	known   = []string{"What are your opening hours?", "What is the price of the blue one?", "Where is my order?", "Can I return the shoes?"}
	unknown = []string{"The zipper does strange things", "It blinks twice and then stops", "My cousin says otherwise", "Hm"}
	person  = []string{"Can I talk to a person please?", "A human, please", "Get me an agent", "I want to talk to somebody"}

	// Who speaks Spanish says so first.
	spanish        = []string{"Hola, en español por favor", "¿Habla español?"}
	knownSpanish   = []string{"¿Qué horario tienen?", "¿Qué precio tiene el azul?", "¿Dónde está mi pedido?", "Quiero devolver los zapatos"}
	unknownSpanish = []string{"La cremallera hace cosas raras", "Parpadea dos veces y se para", "Mi prima dice otra cosa", "Hm"}
	personSpanish  = []string{"Con una persona, por favor", "Un agente, por favor", "Quiero hablar con alguien"}
)

const (
	// phonePrefix begins every simulated number: 555-01xx and above belong to
	// nobody.
	phonePrefix = "1555"
	// personShare of the customers ask for a person, lateShare of them write a
	// message that arrives after its own window has closed, doubleShare are
	// known by a user ID as well as by their number.
	personShare = 0.42
	lateShare   = 0.01
	doubleShare = 0.05
	// spanishShare of them speak Spanish.
	spanishShare = 0.2
	// lateBy is longer than WhatsApp's window.
	lateBy       = 25 * time.Hour
	maxMessages  = 4
	shortestPace = 100 * time.Millisecond
	longestPace  = 1500 * time.Millisecond
)

// script is what one customer will say, and with what pauses.
type script struct {
	ordinal  int
	customer standin.Customer
	late     bool
	lines    []line
}

type line struct {
	pause time.Duration // before it
	text  string
}

// dice are drawn from the seed and the name of what they decide about: no other
// goroutine's draws change them.
func dice(seed uint64, parts ...uint64) *rand.Rand {
	const golden = 0x9e3779b97f4a7c15
	stream := uint64(golden)
	for _, part := range parts {
		stream = (stream ^ part) * 0xff51afd7ed558ccd
		stream ^= stream >> 33
	}
	return rand.New(rand.NewPCG(seed, stream))
}

// newScript writes the script of customer number ordinal.
func newScript(seed uint64, ordinal int) script {
	d := dice(seed, 'c', uint64(ordinal))
	s := script{
		ordinal:  ordinal,
		customer: standin.Customer{PhoneNumberID: phoneNumberID, WAID: phoneOf(ordinal), Name: nameOf(ordinal)},
		late:     d.Float64() < lateShare,
	}
	if d.Float64() < doubleShare {
		s.customer.UserID = standin.Identity("US.demo" + strconv.Itoa(ordinal))
	}
	if s.late {
		s.lines = []line{{text: say(d, person, ordinal, 0)}}
		return s
	}
	count := 1 + d.IntN(maxMessages)
	known, unknown, person := known, unknown, person
	if d.Float64() < spanishShare {
		known, unknown, person = knownSpanish, unknownSpanish, personSpanish
		count = min(count, maxMessages-1)
		s.lines = append(s.lines, line{text: say(d, spanish, ordinal, count)})
	}
	asks := -1 // which of the lines asks for a person
	if d.Float64() < personShare {
		asks = d.IntN(min(count, 2))
	}
	for n := range count {
		of := known
		switch {
		case n == asks:
			of = person
		case d.IntN(3) == 0:
			of = unknown
		}
		next := line{text: say(d, of, ordinal, n)}
		if len(s.lines) > 0 {
			next.pause = shortestPace + time.Duration(d.Float64()*float64(longestPace-shortestPace))
		}
		s.lines = append(s.lines, next)
	}
	return s
}

func say(d *rand.Rand, of []string, ordinal, n int) string {
	return fmt.Sprintf("%s (ref %d-%d)", of[d.IntN(len(of))], ordinal, n)
}

func phoneOf(ordinal int) standin.Identity {
	return standin.Identity(fmt.Sprintf("%s%07d", phonePrefix, ordinal))
}

// ordinalOf finds the customer again; false for a number of somebody else.
func ordinalOf(phone string) (int, bool) {
	digits, ok := strings.CutPrefix(phone, phonePrefix)
	ordinal, err := strconv.Atoi(digits)
	return ordinal, ok && err == nil && len(digits) == 7
}
