package store

import "time"

// instant is a time as the table keeps it: nanoseconds since 1970, so that what
// an answer showed before it was stored is shown again after. 0 is the zero
// time. As a number it takes 11 bytes of the item, a readable text 30.
type instant int64

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.UnixNano())
}

func instantOfOptional(t *time.Time) *instant {
	if t == nil {
		return nil
	}
	i := instantOf(*t)
	return &i
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}

func (i *instant) optional() *time.Time {
	if i == nil {
		return nil
	}
	t := i.time()
	return &t
}

// epochSeconds is a time as the index "due" and TTL keep it. 0 is the zero
// time.
func epochSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func fromEpochSeconds(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
