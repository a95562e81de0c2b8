package journal_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	fs := vfs.NewMem()
	for round := range uint64(2) { // a journal that is opened again is registered again
		o := testOptions(t, fs)
		o.Registerer = registry
		j := open(t, o)
		w := journaltest.NewWriter(j, round)
		stale := prepare(w)
		if _, err := w.Commit(prepare(w)); err != nil {
			t.Fatalf("append: got error %v, want none", err)
		}
		if _, err := j.Append(stale); err == nil {
			t.Error("append at another version: got no error, want a conflict")
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil {
			t.Fatalf("lint: got error %v, want none", err)
		}
		for _, p := range problems {
			t.Errorf("%s: got %q, want no problem", p.Metric, p.Text)
		}
		for name, want := range map[string]int{
			"intervene_journal_commit_duration_seconds": 1, "intervene_journal_sync_duration_seconds": 1,
			"intervene_journal_batch_appends": 1, "intervene_journal_appends_total": 8, "intervene_journal_queued_appends": 1,
			"intervene_journal_ring_behind_total": 1, "intervene_journal_disk_free_bytes": 1, "intervene_journal_pebble_wal_bytes": 1,
		} {
			if got, err := testutil.GatherAndCount(registry, name); got != want || err != nil {
				t.Errorf("%s: got %d series, error %v, want %d", name, got, err, want)
			}
		}
		closeJournal(t, j)
		if got, err := testutil.GatherAndCount(registry); got != 0 || err != nil {
			t.Errorf("after close: got %d series, error %v, want none", got, err)
		}
	}
}
