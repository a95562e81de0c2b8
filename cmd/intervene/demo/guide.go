package demo

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/google/uuid"
)

//go:embed guide.txt
var guideText string

var guideTemplate = template.Must(template.New("guide").Funcs(template.FuncMap{"uuid": uuid.NewString}).Parse(guideText))

// writeGuide tells a newcomer what runs and what to try. Every command works
// as it is printed.
func writeGuide(w io.Writer, s *stage, moved []string, conversation string) error {
	err := guideTemplate.Execute(w, map[string]string{
		"API": s.apiURL, "Service": s.apiURL + "/intervene.v1.LiveChatService", "Admin": s.adminURL, "Graph": s.graphURL,
		"Token": s.cast.newcomer.token, "Conversation": conversation,
		"Customer": phoneOf(newcomersCustomer).String(), "Moved": strings.Join(moved, ", "),
	})
	if err != nil {
		return fmt.Errorf("print what to try: %w", err)
	}
	return nil
}
