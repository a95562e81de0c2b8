package config

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$`)

// address reads a host:port to listen on.
func (p *parser) address(v value, otherwise string) string {
	address, set := p.text(v)
	if !v.present() {
		return otherwise
	}
	if set && !isAddress(address) {
		p.report(v, "must be host:port, such as %s", otherwise)
	}
	return address
}

func isAddress(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	zoneless, _, _ := strings.Cut(host, "%")
	return host == "" || net.ParseIP(zoneless) != nil || hostForm.MatchString(host)
}

// anyPort reports whether the system chooses the port: two such never meet.
func anyPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && strings.Trim(port, "0") == ""
}

// url reads a base URL. It is not repeated in problems: it may hold a password.
func (p *parser) url(v value, otherwise string) string {
	text, set := p.text(v)
	if !set {
		return otherwise
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		p.report(v, "must be an http or https URL")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, strings.Contains(text, "#"):
		p.report(v, "must have no user, query or fragment")
	}
	return strings.TrimRight(text, "/")
}
