package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	exampleFlow = "../../rpc/bot/flow/examples/shop.yaml"
	defaultFlow = "../../rpc/bot/flow/default.yaml"
)

func TestFlowCheck(t *testing.T) {
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	text := "id: shop\nnodes:\n  - {id: a, goto: nowhere}\nfallback: {text: Pardon, next: a}\n"
	if err := os.WriteFile(wrong, []byte(text), 0o600); err != nil {
		t.Fatalf("write flow: got %v, want no error", err)
	}
	for _, tc := range []struct {
		file   string
		code   int
		stdout []string
	}{
		{exampleFlow, 0, []string{"flow shop, version ", "nodes", "in en, es\n"}},
		{defaultFlow, 0, []string{"flow default, version "}},
		{wrong, 1, []string{"wrong.yaml:3:19 ", "there is no node \"nowhere\"", "   3 |   - {id: a, goto: nowhere}\n", "..................^\n"}},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{"flow", "check", tc.file}, &stdout, &stderr); code != tc.code || stderr.Len() > 0 {
			t.Errorf("flow check %s: got code %d and %q, want %d and nothing", tc.file, code, stderr.String(), tc.code)
		}
		for _, want := range tc.stdout {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("flow check %s: got %q, want %q in it", tc.file, stdout.String(), want)
			}
		}
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"flow", "check", wrong + ".none"}, &stdout, &stderr)
	if code != 1 || !strings.Contains(stdout.String()+stderr.String(), "no such file") {
		t.Errorf("flow check of no file: got code %d, %q and %q, want 1 and why", code, stdout.String(), stderr.String())
	}
}

func TestFlowGraph(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"flow", "graph", exampleFlow}, &stdout, &stderr); code != 0 {
		t.Fatalf("got code %d and %q, want 0", code, stderr.String())
	}
	for _, want := range []string{"flowchart TD\n", `start(["start"]) --> n0`, "request agent", `-->|"otherwise"|`, `-->|"not understood"|`} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("got no %q in\n%s", want, stdout.String())
		}
	}
}

// TestFlowChat talks to the example, as a customer and as an agent.
func TestFlowChat(t *testing.T) {
	script := []struct{ line, want string }{
		{"", ""},
		{"hola", "-> active\nbot: ¡Bienvenido a Zapatos Luna! ¿De qué se trata?\n     1. Mi pedido\n     2. Una devolución\n     3. Tallas\n     4. English\n     5. Hablar con alguien\n"},
		{"4", "bot: Welcome to Zapatos Luna! What is it about?\n     1. My order\n     2. A return\n     3. Sizes\n     4. Español\n     5. Talk to a person\n"},
		{"1", "bot: What is the number of your order? It begins with A, as in A1234.\n"},
		{"A12", "bot: That is no order number. It is an A and four to six digits.\n"},
		{"A1234", "bot: Order A1234 has left our warehouse and arrives within two days.\n" +
			"bot: Follow it here.\n     [Follow] https://shop.example/track/A1234\n" +
			"bot: Is there anything else?\n     1. Yes, please\n     2. No, thank you\n"},
		{"/press main/sizes", "bot: How long is your foot, in centimetres?\n"},
		{"25,5", "bot: That is EU size 40.\nbot: Is there anything else?\n     1. Yes, please\n     2. No, thank you\n"},
		{"opening hours?", "bot: We are open from nine to six, Monday to Friday, and from ten to two on Saturdays.\n"},
		{"2", "bot: Thank you for writing to us!\n"},
		{"/variables", "  flow.id=shop\n"},
		{"/picture", "bot: Welcome to Zapatos Luna!"},
		{"something broke, my return", "bot: You have 30 days to return anything, free of charge. What is wrong?\n     1. Wrong size\n     2. It is broken\n     3. I do not like it\n"},
		{"it came damaged", "bot: I am sorry! Describe the damage in a few words, please.\n"},
		{"The sole is off", "bot: Thank you. A colleague will take care of it here.\n  note for agents: Damage: The sole is off\n-> requesting (damaged goods)\n"},
		{"hm", "bot: A colleague has been asked and will answer you here soon.\n"},
		{"/agent", "-> intervened\n"},
		{"I want an agent", ""},
		{"/resolve", "-> active\nbot: Is there anything else?\n"},
		{"/wait 13h", ""},
		{"2", "bot: Thank you for writing to us!\n"},
		{"agent", "bot: We are closed right now."},
		{"/resolve", "-> active\n"},
		{"/wait 25h", "-> history\n"},
		{"/resolve", "! refused: "},
		{"/nonsense", "! /nonsense is no command"},
		{"/wait long", "! "},
		{"/quit", ""},
	}
	var input, stdout bytes.Buffer
	for _, s := range script {
		input.WriteString(s.line + "\n")
	}
	chat := flowChatCommand{flowFile: flowFile{exampleFlow}, At: "2026-09-07T08:00:00Z", From: "34600000000", Name: "Nora"}
	if err := chat.Run(t.Context(), console{in: &input, out: &stdout}); err != nil {
		t.Fatalf("chat: got error %v, want none", err)
	}
	rest := stdout.String()
	for _, s := range script {
		_, after, found := strings.Cut(rest, s.want)
		if !found {
			t.Fatalf("%s: got no %q in what is left of\n%s", s.line, s.want, stdout.String())
		}
		rest = after
	}
}
