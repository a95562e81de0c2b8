package console

import "strings"

// headers go with everything that is served here, also with what was not found.
var headers = []struct{ name, value string }{
	{"Content-Security-Policy", strings.Join(contentPolicy, "; ")},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
	{"Permissions-Policy", strings.Join(permissions, ", ")},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
}

// contentPolicy lets a browser load the page's own files and speak to its own
// origin, and nothing else. No text that a stranger wrote can become a script: not
// inline, not by a handler's attribute, not through the DOM's sinks, for which
// there is no policy that a script could ask.
var contentPolicy = []string{
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"connect-src 'self'",
	"font-src 'self'",
	"img-src 'self' blob: data:",
	"media-src 'self' blob:",
	"manifest-src 'self'",
	"base-uri 'none'",
	"form-action 'self'",
	"frame-ancestors 'none'",
	"require-trusted-types-for 'script'",
	"trusted-types 'none'",
}

// permissions are what a browser offers and the page does not want.
var permissions = []string{
	"accelerometer=()", "browsing-topics=()", "camera=()", "display-capture=()", "geolocation=()", "gyroscope=()",
	"hid=()", "idle-detection=()", "local-fonts=()", "magnetometer=()", "microphone=()", "midi=()", "payment=()",
	"publickey-credentials-get=()", "screen-wake-lock=()", "serial=()", "usb=()", "xr-spatial-tracking=()",
}
