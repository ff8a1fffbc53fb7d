package sweep

import (
	"fmt"
)

// pageSize is how many due items are read at once. A dry run moves nothing, so
// that its first page is all it sees: that one is longer.
const (
	pageSize    = 100
	dryPageSize = 10 * pageSize
)

// pages reads what is due until a page brings nothing that was not seen, or
// handle, which gets what is new on each, says that it is enough. An item may
// still be listed after it was handled, as the index lags behind.
func pages[T any, ID comparable](size int, list func(limit int) ([]T, error), id func(T) ID, handle func([]T) bool) error {
	seen := map[ID]bool{}
	for {
		due, err := list(size)
		if err != nil {
			return fmt.Errorf("list what is due: %w", err)
		}
		fresh := due[:0:0]
		for _, item := range due {
			if !seen[id(item)] {
				seen[id(item)] = true
				fresh = append(fresh, item)
			}
		}
		if len(fresh) == 0 || !handle(fresh) || len(due) < size {
			return nil
		}
	}
}

// sizeOf is the size of a run's pages.
func sizeOf(dry bool) int {
	if dry {
		return dryPageSize
	}
	return pageSize
}
