package demo

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestGuideWorksAsPrinted pastes what a live demo prints.
func TestGuideWorksAsPrinted(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("the guide needs curl: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	go func() {
		err := Live{Out: in, Log: log}.run(ctx, t.TempDir(), ports{anyPort, anyPort, anyPort})
		ended <- err
		in.CloseWithError(io.EOF)
	}()
	guide, status := readGuide(t, out)
	bash := exec.CommandContext(ctx, "bash", "-eu")
	bash.Stdin = strings.NewReader(guide)
	pasted, err := bash.CombinedOutput()
	if err != nil {
		t.Errorf("paste the guide: got error %v, want none", err)
	}
	rest := string(pasted)
	for _, want := range []string{
		`"column":"COLUMN_REQUESTING"`, `"name":"Nora Newcomer"`, `"column":"COLUMN_INTERVENED"`, `"holderAgentId":"you"`,
		`"messageId":`, `"deliveries"`, `"id": "wamid.`, `"messages":[`, "Hello, how can I help?", `"cause":"CAUSE_RESOLVED"`,
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the guide's commands do not answer %q where they should; they answered\n%s", want, pasted)
		}
		rest = after
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("end the demo: got error %v, want none", err)
	}
	if got := <-status; regexp.MustCompile(phonePrefix+`\d{7}`).MatchString(got) || !strings.Contains(got, "requesting") {
		t.Errorf("got status %q, want columns and no number", got)
	}
}

// readGuide returns the commands of the guide, and in the end what came after.
func readGuide(t *testing.T, out io.Reader) (commands string, status <-chan string) {
	t.Helper()
	var text strings.Builder
	part := make([]byte, 4096)
	for !strings.Contains(text.String(), "  active ") {
		n, err := out.Read(part)
		if err != nil {
			t.Fatalf("read the guide: got error %v after %q", err, text.String())
		}
		text.Write(part[:n])
	}
	at := strings.Index(text.String(), "TOKEN=")
	end := strings.LastIndex(text.String(), "  active ")
	end = strings.LastIndex(text.String()[:end], "\n")
	rest := make(chan string, 1)
	go func() {
		more, _ := io.ReadAll(out) // a pipe that ends with EOF has no other error
		rest <- text.String()[end:] + string(more)
	}()
	return text.String()[at:end], rest
}

func TestPortsInUseAreReplaced(t *testing.T) {
	taken, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	got, moved := ports{api: taken.Addr().String(), admin: anyPort, graph: anyPort}.free()
	if got.api != anyPort || len(moved) != 1 || moved[0] != taken.Addr().String() {
		t.Errorf("got %+v and %q moved, want another port for the one in use", got, moved)
	}
}

func TestClock(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "00:00", -time.Second: "00:00", 61 * time.Second: "01:01", 100*time.Minute + 1500*time.Millisecond: "100:01",
	} {
		if got := clock(d); got != want {
			t.Errorf("clock(%v): got %s, want %s", d, got, want)
		}
	}
}
