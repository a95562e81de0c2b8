// Command llm is an example of a bot: it lets a large language model behind an
// OpenAI-compatible endpoint answer a shop's customers, and gives the model one tool,
// to ask for a person. It serves intervene.v1.BotService and keeps no state: what
// was said lies in the turn's variables.
//
// It is a program of somebody else who has the schema of the wire; nothing of it is
// in the engine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9100", "host:port to serve BotService on")
	url := flag.String("url", "http://127.0.0.1:11434/v1", "base URL of the model's endpoint")
	model := flag.String("model", "llama3.2", "name of the model")
	prompt := flag.String("prompt", defaultPrompt, "what the model is told of its work")
	flag.Parse()
	// Secrets come from the environment: the arguments of a process are seen by all.
	b := &bot{
		model:  chatModel{client: http.DefaultClient, url: *url, name: *model, key: os.Getenv("LLM_API_KEY")},
		prompt: *prompt, token: os.Getenv("BOT_TOKEN"),
	}
	if err := serve(*listen, b); err != nil {
		log.Fatal(err)
	}
}

func serve(listen string, b *bot) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	server := &http.Server{Addr: listen, Handler: b.handler(), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(drain); err != nil {
			log.Print(err)
		}
	})()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// handler serves the bot to whoever has its token.
func (b *bot) handler() http.Handler {
	mux := http.NewServeMux()
	path, service := intervenev1connect.NewBotServiceHandler(b)
	mux.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.token != "" && r.Header.Get("Authorization") != "Bearer "+b.token {
			http.Error(w, "not authorized", http.StatusUnauthorized)
			return
		}
		service.ServeHTTP(w, r)
	}))
	return mux
}
