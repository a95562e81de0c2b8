package main

import "syscall"

// dieWithParent has the kernel kill a child whose parent died without a word.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
