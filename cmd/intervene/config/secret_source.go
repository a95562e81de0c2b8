package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var secretKeys = []string{"env", "value", "file"}

const secretForms = "must be exactly one of {env: NAME}, {value: \"...\"}, {file: PATH}"

// secret reads a secret from where v says it is. No problem repeats anything
// that was written or found there, but names of variables and files.
func (p *parser) secret(v value) Secret {
	if !p.required(v) {
		return Secret{}
	}
	if v.node.Kind != yaml.MappingNode || len(v.node.Content) != 2 {
		p.report(v, secretForms)
		return Secret{}
	}
	form := v.node.Content[0].Value
	if !slices.Contains(secretKeys, form) {
		p.report(v, secretForms) // without the key: it may be the secret itself
		return Secret{}
	}
	source := p.mapping(v, secretKeys...)[form]
	written, set := p.requiredText(source)
	switch {
	case !set:
	case written == "":
		p.report(source, "is empty")
	case form == "env":
		written = p.fromEnv(source, written)
	case form == "file":
		written = p.fromFile(source)
	}
	return p.checkedSecret(source, written)
}

// fromEnv is "" after a problem.
func (p *parser) fromEnv(v value, name string) string {
	if !envForm.MatchString(name) {
		p.report(v, "must be the name of an environment variable") // not a secret written in its place
		return ""
	}
	switch text, set := p.lookupEnv(name); {
	case !set:
		p.report(v, "environment variable %s is not set", name)
		return ""
	case text == "":
		p.report(v, "environment variable %s is empty", name)
		return ""
	default:
		return text
	}
}

// fromFile is "" after a problem. Editors end a file with a newline that is no
// part of the secret.
func (p *parser) fromFile(v value) string {
	path := p.path(v, "")
	if path == "" {
		return ""
	}
	text, err := readFile(path, MaxSecretBytes)
	if err != nil {
		p.report(v, "cannot be read: %v", err)
		return ""
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		p.report(v, "file %s is empty", path)
	}
	return secret
}

// checkedSecret refuses what no header can carry: it was pasted with a line
// too many.
func (p *parser) checkedSecret(v value, text string) Secret {
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	switch {
	case len(text) > MaxSecretBytes:
		p.report(v, "must have at most %d bytes", MaxSecretBytes)
	case strings.ContainsFunc(text, control) || text != strings.TrimSpace(text):
		p.report(v, "holds a control character, or space at an end")
	}
	return NewSecret(text)
}
