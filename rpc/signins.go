package rpc

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

const (
	// signInBurst sign-ins of one address may fail at once, then one more every
	// signInInterval.
	signInBurst    = 10
	signInInterval = 10 * time.Second
	// maxSignInAddresses is how many addresses are remembered; of more, those that
	// failed the longest ago are forgotten.
	maxSignInAddresses = 4096
	// signInNetworkBits is what one holder of an IPv6 address has at least.
	signInNetworkBits = 64
)

// signIns slows down whoever guesses tokens.
type signIns struct {
	mu        sync.Mutex
	addresses *simplelru.LRU[netip.Addr, *rate.Limiter]
}

func newSignIns() *signIns {
	addresses, err := simplelru.NewLRU[netip.Addr, *rate.Limiter](maxSignInAddresses, nil)
	if err != nil {
		panic(err) // the size is positive
	}
	return &signIns{addresses: addresses}
}

// try lets address try, and counts it if check fails; or it answers how long
// address has to wait. check is quick: others wait for it, so that nobody tries more
// often by trying at once.
func (s *signIns) try(address netip.Addr, check func() error) (wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	limiter, failed := s.addresses.Get(address)
	if failed {
		if missing := 1 - limiter.TokensAt(now); missing > 0 {
			return time.Duration(missing * float64(signInInterval)), nil
		}
	}
	if err = check(); err == nil {
		return 0, nil
	}
	if !failed {
		limiter = rate.NewLimiter(rate.Every(signInInterval), signInBurst)
		s.addresses.Add(address, limiter)
	}
	limiter.AllowN(now, 1)
	return 0, err
}

// signInAddress is where r comes from. A proxy on this machine is believed what it
// says of that: else all whom it serves would share what one of them may do. Of
// what it passes on only the last address is its own word.
func signInAddress(r *http.Request) netip.Addr {
	var address netip.Addr
	if remote, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		address = remote.Addr().Unmap()
	}
	if forwarded := r.Header.Values("X-Forwarded-For"); address.IsLoopback() && len(forwarded) > 0 {
		list := forwarded[len(forwarded)-1]
		last := strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
		if said, err := netip.ParseAddr(last); err == nil {
			address = said.Unmap()
		}
	}
	address = address.WithZone("")
	if !address.Is6() {
		return address
	}
	network, err := address.Prefix(signInNetworkBits)
	if err != nil {
		return address
	}
	return network.Addr()
}
