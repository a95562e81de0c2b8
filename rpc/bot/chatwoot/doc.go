// Package chatwoot lets bots answer that were written as agent bots for Chatwoot:
// it posts Chatwoot's events to their webhook, and serves the two endpoints by which
// they answer
// (https://github.com/chatwoot/docs/blob/main/docs/product/others/webhook-events.md,
// https://www.chatwoot.com/developers/api/).
//
// Such a bot knows no turns. A turn with messages is accepted on its behalf; the
// first thing that it then does in the conversation answers the turn, and the rest
// is messages of their own, all fenced by the epoch in which the bot was told last.
// If it does nothing in time, a person is asked for.
//
// The package is no Chatwoot: it serves what a bot needs to answer and to hand off,
// and nothing else. It decides nothing, and what it remembers it can find again.
package chatwoot
