//go:build !linux

package main

import (
	"errors"
	"os"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
)

var errNoGuests = errors.New("only Linux boots guests: DCM_MACHINE must be process here")

func isInside() bool { return false }

func runInside(local.Options, <-chan os.Signal) error { return errNoGuests }

func guests(string, local.Options) (theatre, error) { return theatre{}, errNoGuests }
