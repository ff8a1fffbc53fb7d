package sweep

import "math/rand/v2"

// A run may be killed, by its time-out or for want of memory, by what it works
// at. Nothing can note that, and what waits longest would kill the next run as
// well, before it has come to anything else. So a run after one that was killed
// leaves to chance what it begins with.

// shuffle puts them in any order.
func shuffle[T any](all []T) {
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
}

// toss is true every other time.
func toss() bool { return rand.IntN(2) == 0 }
