//go:build !linux

package proc

import (
	"errors"
	"time"
)

// List needs Linux.
func List() ([]Process, error) { return nil, errors.ErrUnsupported }

// Spent needs Linux.
func Spent(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

// Logins needs Linux.
func Logins() ([]string, error) { return nil, errors.ErrUnsupported }

func carries(int, string) bool { return false }

func isLogin(int) bool { return false }

// Entrants lists nothing.
func Entrants(string) []int { return nil }
