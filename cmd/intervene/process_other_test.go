//go:build !linux

package main

import "syscall"

// dieWithParent is Linux's alone: elsewhere a test that is killed leaves its
// child behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
