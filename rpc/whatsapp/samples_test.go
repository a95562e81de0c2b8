package whatsapp

import "strings"

// sample is one item of every type, as it stands in a change of its field.
type sample struct {
	field string
	item  string // ID stands for its id
}

func (s sample) named(id string) string { return strings.ReplaceAll(s.item, "ID", id) }

// samples are of the field messages, moreSamples of others and of statuses.
var (
	samples = messageSamples(
		`"type":"text","text":{"body":"text canary"}`,
		`"type":"text","text":{"body":"text canary"},"context":{"id":"wamid.canary","forwarded":true,"referred_product":{"catalog_id":"canary","product_retailer_id":"canary"}},"referral":{"source_url":"canary","headline":"canary","ctwa_clid":"canary"}`,
		`"type":"image","image":{"id":"media-canary","mime_type":"image/canary","sha256":"c2XQKYYeMsUh+AibAKb7MtrwYVAltptZnRzlNQG4RcI=","caption":"canary"}`,
		`"type":"video","video":{"id":"media-canary"}`,
		`"type":"audio","audio":{"id":"media-canary","voice":true}`,
		`"type":"document","document":{"id":"media-canary","filename":"canary.pdf"}`,
		`"type":"sticker","sticker":{"id":"media-canary","animated":true}`,
		`"type":"location","location":{"latitude":1.5,"longitude":-2,"name":"canary","address":"canary","url":"canary"}`,
		`"type":"contacts","contacts":[{"name":{"formatted_name":"canary"},"phones":[{"phone":"canary","wa_id":"canary"}],"emails":[{"email":"canary"}],"urls":[{"url":"canary"}],"addresses":[{"street":"canary"}]}]`,
		`"type":"reaction","reaction":{"message_id":"wamid.canary","emoji":"canary"}`,
		`"type":"reaction","reaction":{"message_id":"wamid.canary"}`,
		`"type":"edit","edit":{"original_message_id":"wamid.canary","message":{"type":"text","text":{"body":"canary"}}}`,
		`"type":"revoke","revoke":{"original_message_id":"wamid.canary"}`,
		`"type":"button","button":{"payload":"canary","text":"canary"}`,
		`"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"canary","title":"canary"}}`,
		`"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"canary","title":"canary"}}`,
		`"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"name":"flow","body":"canary","response_json":"{\"a\":\"canary\"}"}}`,
		`"type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"accept"}}`,
		`"type":"interactive","interactive":{"type":"product","product":{"catalog_id":"canary","product_retailer_id":"canary"}}`,
		`"type":"order","order":{"catalog_id":"canary","text":"canary","product_items":[{"product_retailer_id":"canary","quantity":2,"item_price":30,"currency":"USD"}]}`,
		`"type":"system","system":{"type":"user_changed_number","wa_id":"other-canary","body":"canary"}`,
		`"type":"system","system":{"type":"user_changed_user_id","user_id":"US.newCanary","previous_user_id":"US.oldCanary"}`,
		`"type":"system","system":{"type":"customer_identity_changed","body":"canary"}`,
		`"type":"request_welcome"`,
		`"type":"unsupported","unsupported":{"type":"poll"},"errors":[{"code":131051,"title":"canary"}]`,
		`"type":"from_next_year","from_next_year":"canary"`,
	)
	moreSamples = []sample{
		{"statuses", `{"id":"ID","status":"sent","timestamp":"1760000000","biz_opaque_callback_data":"00000000000000000000000004.7"}`},
		{"statuses", `{"id":"ID","status":"delivered","timestamp":"1760000000"}`},
		{"statuses", `{"id":"ID","status":"read","timestamp":"1760000000"}`},
		{"statuses", `{"id":"ID","status":"played","timestamp":"1760000000"}`},
		{"statuses", `{"id":"ID","status":"failed","timestamp":"1760000000","errors":[{"code":131026,"title":"T","error_data":{"details":"canary"}}]}`},
		{"smb_message_echoes", `{"from":"15550100","to":"wa-id-canary","id":"ID","timestamp":"1760000000","type":"text","text":{"body":"canary"}}`},
		{"message_echoes", `{"from":"15550100","to_user_id":"US.canary","id":"ID","timestamp":"1760000000","type":"image","image":{"id":"1"}}`},
		{"user_preferences", `{"user_id":"US.ID","category":"marketing_messages","value":"stop","timestamp":1760000000}`},
	}
)

func messageSamples(rest ...string) []sample {
	list := make([]sample, len(rest))
	for i, rest := range rest {
		list[i] = sample{"messages", `{"from":"wa-id-canary","id":"ID","timestamp":"1760000000",` + rest + `}`}
	}
	return list
}
