// Package whatsapp is the edge to Meta's WhatsApp Cloud API. [Webhook] takes
// what Meta delivers and hands it, item by item, to an [Inbox]; [Graph] carries
// one attempt to send to Meta and says how it ended.
//
// The package never decides what an item does to a conversation, never answers
// 200 before the Inbox calls an item durable, never repeats a request that Meta
// may have read, and never puts a message's text, a name, a number or a secret
// into a log, a metric, a URL of ours or an error.
//
// What Meta promises and does not is in
// developers.facebook.com/docs/whatsapp/cloud-api.
package whatsapp
