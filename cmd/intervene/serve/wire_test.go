package serve_test

import (
	"strings"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// webhook is a POST of changes, each made by change.
func webhook(changes ...string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"` + business + `","changes":[` + strings.Join(changes, ",") + `]}]}`)
}

// change is one change of a field, of the number that the engine serves.
func change(field, rest string) string {
	return `{"field":"` + field + `","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550199","phone_number_id":"` +
		phoneNumber + `"},` + rest + `}}`
}

func picture(m *intervenev1.Media) *intervenev1.SendMessageRequest {
	return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Image{Image: m}}
}

func somewhere() *intervenev1.SendMessageRequest {
	return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Location{
		Location: &intervenev1.Location{Latitude: 12.97, Longitude: 77.59, Name: "Our shop"},
	}}
}

func link(url string) *intervenev1.Media_Link { return &intervenev1.Media_Link{Link: url} }

func template(t *intervenev1.Template) *intervenev1.SendMessageRequest {
	return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Template{Template: t}}
}

func textParameter(s string) *intervenev1.TemplateParameter {
	return &intervenev1.TemplateParameter{Value: &intervenev1.TemplateParameter_Text{Text: s}}
}
