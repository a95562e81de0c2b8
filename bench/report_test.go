package main

import "testing"

func TestPerDelivery(t *testing.T) {
	base := slice{CPU: 0.2, Changes: 1000}
	tests := []struct {
		name string
		of   slice
		want float64
	}{
		{"beside the changes", slice{CPU: 0.6, Changes: 1000, Deliveries: 20_000}, 20},
		{"fewer changes take less", slice{CPU: 0.5, Changes: 500, Deliveries: 20_000}, 20},
		{"no changes, as with the raw server", slice{CPU: 0.3, Deliveries: 20_000}, 15},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := perDelivery(tt.of, base); got < tt.want-0.001 || got > tt.want+0.001 {
				t.Errorf("got %.3f µs, want %.3f", got, tt.want)
			}
		})
	}
}
