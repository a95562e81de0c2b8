package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// said is a message of a customer.
type said struct {
	customer, name, text string
	at                   time.Time
}

// webhook is a signed POST as it goes over the wire: its senders share the
// machine with what is measured, and should cost it little.
type webhook []byte

// webhook makes one of what customers of w said.
func (s *site) webhook(w *workspace, messages []said) (webhook, error) {
	type object = map[string]any
	var contacts, list []object
	for _, m := range messages {
		contacts = append(contacts, object{"wa_id": m.customer, "profile": object{"name": m.name}})
		list = append(list, object{
			"from": m.customer, "id": "wamid." + rand.Text(), "timestamp": fmt.Sprint(m.at.Unix()),
			"type": "text", "text": object{"body": m.text},
		})
	}
	value := object{
		"messaging_product": "whatsapp", "contacts": contacts, "messages": list,
		"metadata": object{"display_phone_number": "1555" + w.number, "phone_number_id": w.number},
	}
	body, err := json.Marshal(object{"object": "whatsapp_business_account", "entry": []object{{
		"id": "1", "changes": []object{{"field": "messages", "value": value}},
	}}})
	if err != nil {
		return nil, fmt.Errorf("make a webhook: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write(body)
	return fmt.Appendf(nil, "POST /webhooks/whatsapp/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"X-Hub-Signature-256: sha256=%s\r\nContent-Length: %d\r\n\r\n%s", app, s.address, hex.EncodeToString(mac.Sum(nil)), len(body), body), nil
}

// senders are connections to a site, one per worker.
type senders []*sender

type sender struct {
	net.Conn
	answers *bufio.Reader
}

// errRefused: the engine asks to deliver again later.
var errRefused = errors.New("the webhook was refused for now")

func openSenders(s *site, n int) (senders, error) {
	var all senders
	for range n {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connect to the webhook: %w", err), all.close())
		}
		all = append(all, &sender{conn, bufio.NewReaderSize(conn, 512)})
	}
	return all, nil
}

func (all senders) close() error {
	var err error
	for _, s := range all {
		err = errors.Join(err, s.Close())
	}
	return err
}

// deliver returns once the webhook was taken.
func (s *sender) deliver(w webhook) error {
	if err := s.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return fmt.Errorf("deliver a webhook: %w", err)
	}
	if _, err := s.Write(w); err != nil {
		return fmt.Errorf("deliver a webhook: %w", err)
	}
	answer, err := http.ReadResponse(s.answers, nil)
	if err != nil {
		return fmt.Errorf("deliver a webhook: %w", err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("deliver a webhook: %w", err)
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusServiceUnavailable:
		return errRefused
	}
	return fmt.Errorf("deliver a webhook: %s", answer.Status)
}
