package flow

import (
	"math"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

// ask puts a question.
type ask struct {
	text     text
	variable int
	// take answers what the variable is to hold, false if words are no answer.
	take func(r *run, words string) (string, bool)
	// whole: messages that came together are one answer.
	whole   bool
	retry   text
	retries int // -1: as many as the fallback's
}

func (c *compiler) ask(at place, s *schema.Ask) *ask {
	a := &ask{
		text:     c.text(at.field("text"), s.GetText(), rule{most: engine.MaxTextRunes}),
		variable: c.variables[s.GetVariable()],
		retry:    c.text(at.field("retry"), s.GetRetry(), rule{most: engine.MaxTextRunes}),
		retries:  -1,
	}
	if s.Retries != nil {
		a.retries = int(s.GetRetries())
	}
	switch {
	case s.GetNumber() != nil:
		a.take = c.number(at.field("number"), s.GetNumber())
	case s.GetEmail() != nil:
		a.take = takeEmail
	case s.GetDate() != nil:
		a.take = takeDate(s.GetDate())
	case s.GetPattern() != "":
		a.take = c.pattern(at.field("pattern"), s.GetPattern())
	case len(s.GetChoices()) > 0:
		a.take = c.choices(at.field("choices"), s.GetChoices())
	default:
		a.take, a.whole = c.anything(at.field("anything"), s.GetAnything()), true
	}
	return a
}

type taker = func(r *run, words string) (string, bool)

func (c *compiler) anything(at place, s *schema.Anything) taker {
	least, most := 1, MaxValueRunes
	if s != nil && s.MinLength != nil {
		least = int(s.GetMinLength())
	}
	if s != nil && s.MaxLength != nil {
		most = int(s.GetMaxLength())
	}
	if least > most {
		c.report(at, "must have a min_length that is not above its max_length")
	}
	return func(_ *run, words string) (string, bool) {
		n := utf8.RuneCountInString(words)
		return words, n >= max(least, 1) && n <= most
	}
}

func (c *compiler) number(at place, s *schema.Number) taker {
	least, most := math.Inf(-1), math.Inf(1)
	if s.Min != nil {
		least = s.GetMin()
	}
	if s.Max != nil {
		most = s.GetMax()
	}
	if least > most {
		c.report(at, "must have a min that is not above its max")
	}
	return func(_ *run, words string) (string, bool) {
		digits := latinDigits(words)
		if !decimal.MatchString(digits) || len(digits) > maxNumberBytes {
			return "", false
		}
		digits = strings.TrimPrefix(strings.Replace(digits, ",", ".", 1), "+")
		n, err := strconv.ParseFloat(digits, 64)
		fits := err == nil && n >= least && n <= most && (!s.GetWhole() || !strings.Contains(digits, "."))
		return digits, fits
	}
}

// maxNumberBytes is more than a number needs that CEL still counts with.
const maxNumberBytes = 18

// decimal is a number as customers write it; what parts thousands is refused,
// for nobody knows it from a decimal point.
var decimal = regexp.MustCompile(`^[+-]?[0-9]+([.,][0-9]+)?$`)

// latinDigits is s with every script's digits as 0 to 9.
func latinDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf || !unicode.Is(unicode.Nd, r) {
			return r
		}
		for _, digits := range unicode.Nd.R16 {
			if rune(digits.Lo) <= r && r <= rune(digits.Hi) {
				return '0' + (r-rune(digits.Lo))%10
			}
		}
		for _, digits := range unicode.Nd.R32 {
			if rune(digits.Lo) <= r && r <= rune(digits.Hi) {
				return '0' + (r-rune(digits.Lo))%10
			}
		}
		return r
	}, norm.NFKC.String(s))
}

func takeEmail(_ *run, words string) (string, bool) {
	address, err := mail.ParseAddress(words)
	if err != nil || address.Address != words {
		return "", false
	}
	_, domain, _ := strings.Cut(words, "@")
	return words, strings.Contains(strings.Trim(domain, "."), ".")
}

var (
	yearFirst = regexp.MustCompile(`^([0-9]{4})[-/. ]([0-9]{1,2})[-/. ]([0-9]{1,2})$`)
	yearLast  = regexp.MustCompile(`^([0-9]{1,2})[-/. ]([0-9]{1,2})[-/. ]([0-9]{4})$`)
)

func takeDate(s *schema.Date) taker {
	return func(r *run, words string) (string, bool) {
		words = latinDigits(words)
		parts := yearFirst.FindStringSubmatch(words)
		if parts == nil {
			last := yearLast.FindStringSubmatch(words)
			switch {
			case last == nil:
				return "", false
			case s.GetOrder() == "month_first":
				parts = []string{"", last[3], last[1], last[2]}
			default:
				parts = []string{"", last[3], last[2], last[1]}
			}
		}
		date, err := time.Parse("2006-1-2", parts[1]+"-"+parts[2]+"-"+parts[3])
		if err != nil {
			return "", false
		}
		return day(date), !s.GetFuture() || day(date) >= day(r.today())
	}
}

func (c *compiler) pattern(at place, s string) taker {
	whole, err := regexp.Compile(`\A(?:` + s + `)\z`)
	if err != nil {
		c.report(at, "is no regular expression: %v", err)
		return nil
	}
	return func(_ *run, words string) (string, bool) {
		return words, utf8.RuneCountInString(words) <= MaxValueRunes && whole.MatchString(words)
	}
}

func (c *compiler) choices(at place, choices []*schema.Choice) taker {
	var phrases []phrase
	seen := make(map[string]string)
	for i, choice := range choices {
		phrases = append(phrases, c.phrases(at.item(i).field("words"), choice.GetWords(), phrase{option: i}, seen)...)
	}
	slices.SortStableFunc(phrases, rank)
	return func(_ *run, words string) (string, bool) {
		s := said{normalText: normalize(words)}
		found := s.find(phrases, false)
		if found == nil {
			return "", false
		}
		return choices[found.option].GetValue(), true
	}
}
