package config_test

import (
	"errors"
	"fmt"

	"github.com/intervenehq/intervene/cmd/intervene/config"
)

func ExampleParse() {
	text := `
whatsapp_apps:
  - id: main
    verify_token: {env: WA_VERIFY_TOKEN}
    app_secret: {env: WA_APP_SECRET}
workspaces: []
`
	unset := func(string) (string, bool) { return "", false }
	_, err := config.Parse("intervene.yaml", []byte(text), unset)
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Println(p)
		}
	}
	// Output:
	// intervene.yaml:3:5: whatsapp_apps[0].app_secrets: must hold at least one
	// intervene.yaml:4:25: whatsapp_apps[0].verify_token.env: environment variable WA_VERIFY_TOKEN is not set
	// intervene.yaml:5:5: whatsapp_apps[0].app_secret: is no known field; there are id, verify_token, app_secrets, graph_base_url, graph_version, media_hosts
	// intervene.yaml:6:13: workspaces: must hold at least one
}
