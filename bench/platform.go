package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// startPlatform has `intervene graph` take what the engine sends, in the place of
// the answer that only accepts: it tells the statuses of each, as Meta does.
func (s *site) startPlatform(ctx context.Context) error {
	var err error
	if s.platformAddress, err = freeAddress(); err != nil {
		return err
	}
	type object = map[string]any
	var numbers []object
	for _, w := range s.workspaces {
		numbers = append(numbers, object{"id": w.number, "display_phone_number": "1555" + w.number, "business": "1", "access_token": s.secret})
	}
	text, err := json.Marshal(object{
		"apps":    []object{{"id": app, "secret": s.secret, "webhook_url": s.url() + "/webhooks/whatsapp/" + app}},
		"numbers": numbers,
		"statuses": []object{
			{"status": "sent", "after": "20ms"},
			{"status": "delivered", "after": "200ms", "jitter": "500ms"},
			{"status": "read", "after": "1s", "jitter": "2s", "skip_share": 0.5},
		},
		"webhook": object{"max_batch": 25, "gather": "10ms", "parallelism": 16},
	})
	if err != nil {
		return fmt.Errorf("configure the stand-in: %w", err)
	}
	path := filepath.Join(s.dir, "graph.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("configure the stand-in: %w", err)
	}
	if s.platform, err = startProcess(ctx, false, s.binary, "graph", "--listen", s.platformAddress, "--config", path); err != nil {
		return err
	}
	go func() {
		for range s.platform.lines { // its greeting
		}
	}()
	if err := s.awaitPlatform(ctx); err != nil {
		return err
	}
	return s.configure(s.platformAddress)
}

// awaitPlatform waits until the stand-in answers.
func (s *site) awaitPlatform(ctx context.Context) error {
	for deadline := time.Now().Add(startTimeout); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.platformAddress+"/_standin/health", nil)
		if err != nil {
			return fmt.Errorf("await the stand-in: %w", err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			return answer.Body.Close()
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the stand-in does not answer after %s", startTimeout), err)
		}
		if err := rest(ctx, settlePause); err != nil {
			return err
		}
	}
}
