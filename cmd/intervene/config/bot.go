package config

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/intervenehq/intervene/engine"
)

// What a bot's field is when the file does not say.
const (
	DefaultBotDeadline        = 10 * time.Second
	DefaultChatwootAccount    = 1
	DefaultChatwootAnswerTime = engine.DefaultTurnWait
)

const (
	// MaxBotDeadline bounds how long a bot may take with a turn that it does not accept.
	MaxBotDeadline = time.Minute
	// MinSigningBytes and MaxSigningBytes bound the key in a webhook's secret, as
	// Standard Webhooks does.
	MinSigningBytes = 24
	MaxSigningBytes = 64
	// MaxChatwootAccount is as far as JavaScript counts in whole numbers.
	MaxChatwootAccount = 1<<53 - 1
	// MaxTriggerRunes bounds what Rasa is told when a person gave a conversation back.
	MaxTriggerRunes = 200
)

// Bot is a workspace's bot: one of the kinds, or the embedded one when none is set.
type Bot struct {
	Flow     *BotFile
	Connect  *BotConnect
	Webhook  *BotWebhook
	Rasa     *BotRasa
	Chatwoot *BotChatwoot
	// Deadline is for one turn; 0: a flow needs none of its own.
	Deadline time.Duration
	// Locale is the customers' language, BCP 47; empty: not known.
	Locale string
	// UnavailableMessage is what customers are told when the bot failed; empty: nothing.
	UnavailableMessage string
}

// BotFile is a flow.
type BotFile struct {
	Path string
	Text []byte
}

// BotConnect serves BotService.
type BotConnect struct {
	URL      string
	Protocol string // connect, grpc or grpcweb
	Token    Secret // empty: none is sent
}

// BotWebhook is posted its turns in JSON.
type BotWebhook struct {
	URL    string
	Secret Secret // empty: nothing is signed
}

// BotRasa serves Rasa's REST channel.
type BotRasa struct {
	URL   string
	Token Secret // empty: none is sent
	// OnReturned is what it is told when a person gave a conversation back, such as an
	// intent; empty: nothing.
	OnReturned string
}

// BotChatwoot was written as an agent bot for Chatwoot.
type BotChatwoot struct {
	URL          string
	Account      int64
	AnswerWithin time.Duration
}

var botKinds = []string{"flow", "connect", "webhook", "rasa", "chatwoot"}

var botProtocols = []string{"connect", "grpc", "grpcweb"}

func (p *parser) bot(v value) Bot {
	if !v.present() {
		return Bot{}
	}
	f := p.mapping(v, append(slices.Clone(botKinds), "deadline", "locale", "unavailable_message")...)
	kinds := 0
	for _, kind := range botKinds {
		if f[kind].present() {
			kinds++
		}
	}
	if kinds != 1 && !f[botKinds[0]].excused {
		p.report(v, "must have exactly one of %s", strings.Join(botKinds, ", "))
	}
	b := Bot{
		Flow: p.flow(f["flow"]), Connect: p.connectBot(f["connect"]), Webhook: p.webhookBot(f["webhook"]),
		Rasa: p.rasaBot(f["rasa"]), Chatwoot: p.chatwootBot(f["chatwoot"]),
		Deadline: p.boundedDuration(f["deadline"], DefaultBotDeadline, MaxBotDeadline),
	}
	if locale, set := p.text(f["locale"]); set {
		b.Locale = locale
		if !localeForm.MatchString(locale) {
			p.report(f["locale"], "must be a language tag, such as en or pt-BR")
		}
	}
	if message, set := p.text(f["unavailable_message"]); set {
		b.UnavailableMessage = message
		if n := utf8.RuneCountInString(message); strings.TrimSpace(message) == "" || n > engine.MaxTextRunes {
			p.report(f["unavailable_message"], "must have 1 to %d characters", engine.MaxTextRunes)
		}
	}
	return b
}

func (p *parser) flow(v value) *BotFile {
	if !v.present() {
		return nil
	}
	path := p.path(v, "")
	if path == "" {
		return nil
	}
	text, err := readFile(path, MaxBotFileBytes)
	if err != nil {
		p.report(v, "cannot be read: %v", err)
	}
	return &BotFile{Path: path, Text: text}
}

func (p *parser) connectBot(v value) *BotConnect {
	if !v.present() {
		return nil
	}
	f := p.mapping(v, "url", "protocol", "token")
	b := &BotConnect{URL: p.requiredURL(f["url"]), Protocol: botProtocols[0], Token: p.optionalSecret(f["token"])}
	if protocol, set := p.text(f["protocol"]); set {
		b.Protocol = protocol
		if !slices.Contains(botProtocols, protocol) {
			p.report(f["protocol"], "must be one of %s", strings.Join(botProtocols, ", "))
		}
	}
	return b
}

func (p *parser) webhookBot(v value) *BotWebhook {
	if !v.present() {
		return nil
	}
	f := p.mapping(v, "url", "secret")
	b := &BotWebhook{URL: p.exactURL(f["url"]), Secret: p.optionalSecret(f["secret"])}
	if secret := b.Secret.Reveal(); secret != "" {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < MinSigningBytes || len(key) > MaxSigningBytes {
			p.report(f["secret"], "must be whsec_ and the base64 of %d to %d bytes", MinSigningBytes, MaxSigningBytes)
		}
	}
	return b
}

func (p *parser) rasaBot(v value) *BotRasa {
	if !v.present() {
		return nil
	}
	f := p.mapping(v, "url", "token", "on_returned")
	b := &BotRasa{URL: p.requiredURL(f["url"]), Token: p.optionalSecret(f["token"])}
	if trigger, set := p.text(f["on_returned"]); set {
		b.OnReturned = trigger
		if n := utf8.RuneCountInString(trigger); strings.TrimSpace(trigger) == "" || n > MaxTriggerRunes {
			p.report(f["on_returned"], "must have 1 to %d characters", MaxTriggerRunes)
		}
	}
	return b
}

func (p *parser) chatwootBot(v value) *BotChatwoot {
	if !v.present() {
		return nil
	}
	f := p.mapping(v, "url", "account_id", "answer_within")
	b := &BotChatwoot{
		URL: p.exactURL(f["url"]), Account: DefaultChatwootAccount,
		AnswerWithin: p.boundedDuration(f["answer_within"], DefaultChatwootAnswerTime, engine.MaxTurnWait),
	}
	if text, set := p.text(f["account_id"]); set {
		n, err := strconv.ParseInt(text, 10, 64)
		b.Account = n
		if err != nil || n < 1 || n > MaxChatwootAccount {
			p.report(f["account_id"], "must be 1 to %d", int64(MaxChatwootAccount))
		}
	}
	return b
}

func (p *parser) requiredURL(v value) string {
	if !p.required(v) {
		return ""
	}
	return p.url(v, "")
}

// exactURL is where something is posted: what may stand at its end counts.
func (p *parser) exactURL(v value) string {
	p.requiredURL(v)
	written, _ := p.text(v)
	return written
}

func (p *parser) optionalSecret(v value) Secret {
	if !v.present() {
		return Secret{}
	}
	return p.secret(v)
}

// boundedDuration reads how long something takes, which cannot be for ever.
func (p *parser) boundedDuration(v value, otherwise, most time.Duration) time.Duration {
	text, set := p.text(v)
	if !set {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < MinDuration || d > most {
		p.report(v, "must be a duration such as 500ms or 10s, at most %s", most)
	}
	return d
}
