package serve

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// What systemd is told, where it started the process. It listens on a socket that it
// names; who started the process otherwise is told nothing.

// NotifyReady says that the engine serves, NotifyStopping that it drains.
func NotifyReady()    { notify(daemon.SdNotifyReady) }
func NotifyStopping() { notify(daemon.SdNotifyStopping) }

// notifyReloading says that the configuration is read; the answer says that it was.
func notifyReloading() (done func()) {
	notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	return NotifyReady
}

func notifyAlive() { notify(daemon.SdNotifyWatchdog) }

// notify: a message that is not taken changes nothing here; what follows of it is
// systemd's to decide.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// watchdogInterval is how often systemd wants to hear that the process lives; 0: it does
// not. It is asked for half of the time that it gives.
func watchdogInterval() time.Duration {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0 // the variables are another process's
	}
	return limit / 2
}
