package config

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/intervenehq/intervene/engine"
)

// What a field is when the file does not say.
const (
	DefaultListen           = "127.0.0.1:8080"
	DefaultAdminListen      = "127.0.0.1:9090"
	DefaultDataDir          = "./data"
	DefaultGraphBaseURL     = "https://graph.facebook.com"
	DefaultGraphVersion     = "v25.0"
	DefaultAutoResolveAfter = 24 * time.Hour
	DefaultOutsideSilence   = time.Hour
)

const (
	// MaxFileBytes bounds the configuration, MaxBotFileBytes a bot's file,
	// MaxSecretBytes a secret.
	MaxFileBytes    = 8 << 20
	MaxBotFileBytes = 1 << 20
	MaxSecretBytes  = 16 << 10
	// MaxAppSecrets bounds what a webhook's signature is tried with.
	MaxAppSecrets = 4
	// MaxNameRunes bounds the name of a caller.
	MaxNameRunes = 100
	// MinDuration is as fine as the engine's time is.
	MinDuration = time.Millisecond
	MaxDuration = 365 * 24 * time.Hour
	// MinRetentionDays is longer than a repeated command finds its first outcome.
	MinRetentionDays = 3
	MaxRetentionDays = 3650
	// MaxMessagesPerSecond bounds the throughput of a number.
	MaxMessagesPerSecond = 10_000
	// MaxKeywords bounds a list of keywords, MaxKeywordBytes one of them.
	MaxKeywords     = 64
	MaxKeywordBytes = 64
)

var (
	idForm            = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	phoneNumberIDForm = regexp.MustCompile(`^[0-9]{1,32}$`)
	mediaHostForm     = regexp.MustCompile(`^(\*\.)?[0-9a-z]([0-9a-z.-]{0,251}[0-9a-z])?$`)
	originForm        = regexp.MustCompile(`^https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$`)
	localeForm        = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,5}$`)
	graphVersionForm  = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)
)

// Parse reads text, the file at path, and what it refers to: files, relative to
// path's folder, and the environment, through lookupEnv. The error is a Problems.
func Parse(path string, text []byte, lookupEnv func(string) (string, bool)) (*Config, error) {
	p := parser{
		reader: reader{file: path, lookupEnv: lookupEnv},
		apps:   unique{}, workspaces: unique{}, channels: unique{}, numbers: unique{}, hashes: unique{},
	}
	var c *Config
	if root, ok := p.root(text); ok {
		c = p.config(root)
	}
	if len(p.problems) > 0 {
		p.problems.sort()
		return nil, p.problems
	}
	return c, nil
}

// parser makes a Config: it gives defaults and checks, field by field.
type parser struct {
	reader

	apps, workspaces, channels, numbers, hashes unique
}

func (p *parser) config(v value) *Config {
	f := p.mapping(v, "listen", "admin_listen", "data_dir", "erasure_ledger", "tls", "log_level", "drain", "backup", "traces", "read_receipts", "allowed_origins", "whatsapp_apps", "workspaces")
	c := &Config{
		Listen:      p.address(f["listen"], DefaultListen),
		AdminListen: p.address(f["admin_listen"], DefaultAdminListen),
		DataDir:     p.path(f["data_dir"], DefaultDataDir),
		TLS:         p.tls(f["tls"]),
		LogLevel:    p.logLevel(f["log_level"]),
		Drain:       p.drain(f["drain"]),
		Backup:      p.backup(f["backup"]),
		Traces:      p.traces(f["traces"]),

		ReadReceipts: p.yes(f["read_receipts"], true),
	}
	if f["erasure_ledger"].present() {
		c.ErasureLedger = p.path(f["erasure_ledger"], "")
	}
	if c.Listen != "" && c.Listen == c.AdminListen && !anyPort(c.Listen) {
		p.report(f["admin_listen"], "must differ from listen")
	}
	for _, item := range p.list(f["allowed_origins"]) {
		origin, set := p.requiredText(item)
		if set && !originForm.MatchString(origin) {
			p.report(item, "must be an origin as browsers write it: http or https, host, and port if there is one")
		}
		c.AllowedOrigins = append(c.AllowedOrigins, origin)
	}
	for _, item := range p.list(f["whatsapp_apps"]) {
		c.Apps = append(c.Apps, p.app(item))
	}
	for _, item := range p.requiredList(f["workspaces"]) {
		c.Workspaces = append(c.Workspaces, p.workspace(item))
	}
	return c
}

func (p *parser) app(v value) App {
	f := p.mapping(v, "id", "verify_token", "app_secrets", "graph_base_url", "graph_version", "media_hosts")
	a := App{
		ID:           p.id(f["id"], p.apps),
		VerifyToken:  p.secret(f["verify_token"]),
		GraphBaseURL: p.url(f["graph_base_url"], DefaultGraphBaseURL),
		GraphVersion: DefaultGraphVersion,
	}
	for _, item := range p.requiredList(f["app_secrets"]) {
		a.AppSecrets = append(a.AppSecrets, p.secret(item))
	}
	if len(a.AppSecrets) > MaxAppSecrets {
		p.report(f["app_secrets"], "must hold at most %d", MaxAppSecrets)
	}
	if version, set := p.text(f["graph_version"]); set {
		a.GraphVersion = version
		if !graphVersionForm.MatchString(version) {
			p.report(f["graph_version"], "must look like %s", DefaultGraphVersion)
		}
	}
	for _, item := range p.list(f["media_hosts"]) {
		host, set := p.requiredText(item)
		if set && !mediaHostForm.MatchString(host) {
			p.report(item, "must be a host, or *. and the end of one")
		}
		a.MediaHosts = append(a.MediaHosts, host)
	}
	return a
}

func (p *parser) workspace(v value) Workspace {
	f := p.mapping(v, "id", "channels", "bot", "handoff", "retention_days", "tokens")
	w := Workspace{
		ID:     engine.WorkspaceID(p.id(f["id"], p.workspaces)),
		Bot:    p.bot(f["bot"]),
		Policy: p.handoff(f["handoff"]),
	}
	w.Policy.Retention = p.days(f["retention_days"])
	for _, item := range p.list(f["channels"]) {
		w.Channels = append(w.Channels, p.channel(item))
	}
	agents := unique{}
	for _, item := range p.list(f["tokens"]) {
		w.Tokens = append(w.Tokens, p.token(item, agents))
	}
	return w
}

// channel claims IDs among all workspaces, because webhooks and the journal
// know a channel by its own ID alone.
func (p *parser) channel(v value) Channel {
	f := p.mapping(v, "id", "whatsapp")
	c := Channel{ID: engine.ChannelID(p.id(f["id"], p.channels))}
	if !p.required(f["whatsapp"]) {
		return c
	}
	f = p.mapping(f["whatsapp"], "app", "phone_number_id", "access_token", "waba_id", "messages_per_second", "stop_keywords", "start_keywords")
	if app, set := p.requiredText(f["app"]); set {
		c.App = app
		if _, known := p.apps[app]; !known {
			p.report(f["app"], "must be the id of one of whatsapp_apps")
		}
	}
	if number, set := p.requiredText(f["phone_number_id"]); set {
		c.PhoneNumberID = number
		if phoneNumberIDForm.MatchString(number) {
			p.claim(p.numbers, number, f["phone_number_id"])
		} else {
			p.report(f["phone_number_id"], "must be 1 to 32 digits")
		}
	}
	c.AccessToken = p.secret(f["access_token"])
	if account, set := p.text(f["waba_id"]); set {
		c.WABAID = account
		if !phoneNumberIDForm.MatchString(account) {
			p.report(f["waba_id"], "must be 1 to 32 digits")
		}
	}
	if text, set := p.text(f["messages_per_second"]); set {
		n, err := strconv.Atoi(text)
		c.MessagesPerSecond = n
		if err != nil || n < 1 || n > MaxMessagesPerSecond {
			p.report(f["messages_per_second"], "must be 1 to %d", MaxMessagesPerSecond)
		}
	}
	c.StopKeywords = p.keywords(f["stop_keywords"])
	c.StartKeywords = p.keywords(f["start_keywords"])
	return c
}

// keywords reads a list that may be empty, which is something else than none.
func (p *parser) keywords(v value) []string {
	if !v.present() {
		return nil
	}
	keywords := []string{}
	for _, item := range p.list(v) {
		keyword, set := p.requiredText(item)
		if set && (!isName(keyword) || len(keyword) > MaxKeywordBytes) {
			p.report(item, "must be one line of 1 to %d bytes", MaxKeywordBytes)
		}
		keywords = append(keywords, keyword)
	}
	if len(keywords) > MaxKeywords {
		p.report(v, "must hold at most %d", MaxKeywords)
	}
	return keywords
}

func (p *parser) handoff(v value) engine.Policy {
	f := p.mapping(v, "takeover_from_active", "auto_resolve_after", "write_first", "outside_silence")
	return engine.Policy{
		TakeoverFromActive: p.yes(f["takeover_from_active"], false),
		AutoResolveAfter:   p.duration(f["auto_resolve_after"], DefaultAutoResolveAfter),
		WriteFirst:         p.yes(f["write_first"], true),
		OutsideSilence:     p.duration(f["outside_silence"], DefaultOutsideSilence),
	}
}

func (p *parser) yes(v value, otherwise bool) bool {
	text, set := p.text(v)
	if !set {
		return otherwise
	}
	if text != "true" && text != "false" {
		p.report(v, "must be true or false")
	}
	return text == "true"
}

// duration reads how long something takes; 0 stands for never.
func (p *parser) duration(v value, otherwise time.Duration) time.Duration {
	text, set := p.text(v)
	if !set {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d != 0 && (d < MinDuration || d > MaxDuration) {
		p.report(v, "must be a duration such as 90m or 24h, at most %dh, or 0 for never", int(MaxDuration.Hours()))
	}
	return d
}

// days reads how long content is kept; 0 stands for ever.
func (p *parser) days(v value) time.Duration {
	text, set := p.text(v)
	if !set {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > MaxRetentionDays || n > 0 && n < MinRetentionDays {
		p.report(v, "must be %d to %d, or 0 for ever", MinRetentionDays, MaxRetentionDays)
	}
	return time.Duration(n) * 24 * time.Hour
}

func (p *parser) token(v value, agents unique) Token {
	f := p.mapping(v, "id", "name", "role", "sha256")
	t := Token{ID: engine.AgentID(p.id(f["id"], agents))}
	t.Name = string(t.ID)
	if name, set := p.text(f["name"]); set {
		t.Name = name
		if !isName(name) {
			p.report(f["name"], "must be one line of 1 to %d characters", MaxNameRunes)
		}
	}
	if role, set := p.requiredText(f["role"]); set {
		t.Role = Role(role)
		if !slices.Contains(roles, t.Role) {
			p.report(f["role"], "must be one of %s, %s, %s, %s", RoleAgent, RoleSupervisor, RoleBot, RoleAdmin)
		}
	}
	if hash, set := p.requiredText(f["sha256"]); set {
		// The text is not repeated: a token may stand there in place of its hash.
		if sum, err := hex.DecodeString(hash); err != nil || len(sum) != sha256.Size {
			p.report(f["sha256"], "must be the %d hexadecimal digits that intervene token new prints", hex.EncodedLen(sha256.Size))
		} else {
			t.SHA256 = [sha256.Size]byte(sum)
			p.claim(p.hashes, strings.ToLower(hash), f["sha256"])
		}
	}
	return t
}

func isName(s string) bool {
	n := utf8.RuneCountInString(s)
	return strings.TrimSpace(s) != "" && n <= MaxNameRunes && !strings.ContainsFunc(s, unicode.IsControl)
}

func (p *parser) id(v value, taken unique) string {
	id, set := p.requiredText(v)
	switch {
	case !set:
	case !idForm.MatchString(id):
		p.report(v, "must match %s", idForm)
	default:
		p.claim(taken, id, v)
	}
	return id
}

// path reads a path; a relative one begins at the file's folder.
func (p *parser) path(v value, otherwise string) string {
	path, set := p.text(v)
	switch {
	case !set && v.present(), !set && otherwise == "":
		return ""
	case !set:
		path = otherwise
	case path == "" || strings.ContainsRune(path, 0):
		p.report(v, "must be a path")
		return ""
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(p.file), path)
}
