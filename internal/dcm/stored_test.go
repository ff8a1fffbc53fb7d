package dcm_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestByteSecondsAreExact compares with numbers of any size.
func TestByteSecondsAreExact(t *testing.T) {
	t.Parallel()
	factor := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{
		0, 1, -1, math.MaxInt64, math.MinInt64, math.MinInt64 + 1, math.MaxUint32, math.MaxUint32 + 1, 31 * 86400,
	}))
	rapid.Check(t, func(t *rapid.T) {
		sum, want := dcm.ByteSeconds{}, new(big.Int)
		for range rapid.IntRange(1, 5).Draw(t, "n") {
			bytes, seconds := factor.Draw(t, "bytes"), factor.Draw(t, "seconds")
			part := new(big.Int).Mul(big.NewInt(bytes), big.NewInt(seconds))
			if next := new(big.Int).Add(want, part); next.BitLen() > 127 {
				return
			}
			if rapid.Bool().Draw(t, "minus") && new(big.Int).Sub(want, part).BitLen() <= 127 {
				sum, want = sum.Minus(dcm.StoredFor(bytes, seconds)), want.Sub(want, part)
			} else {
				sum, want = sum.Plus(dcm.StoredFor(bytes, seconds)), want.Add(want, part)
			}
			if sum.String() != want.String() || sum.Sign() != want.Sign() {
				t.Fatalf("%s, want %s", sum, want)
			}
			if again, err := dcm.ParseByteSeconds(sum.String()); err != nil || again != sum {
				t.Fatalf("%s reads as %s: %v", sum, again, err)
			}
		}
	})
}

func TestParseByteSeconds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "1.5", "1e3", " 1", new(big.Int).Lsh(big.NewInt(1), 127).String()} {
		if n, err := dcm.ParseByteSeconds(text); err == nil {
			t.Errorf("%q reads as %s", text, n)
		}
	}
}

func TestGBHours(t *testing.T) {
	t.Parallel()
	const tb = 1_000_000_000_000
	for _, c := range []struct {
		bytes, seconds int64
		hours          float64
	}{
		{0, 3600, 0},
		{1_000_000_000, 3600, 1},
		{1_799, 1000, 0}, {1_800, 1000, 0.000001}, // half a millionth is rounded up
		{4 * tb, 31 * 86400, 4000 * 31 * 24},
		{1_000_000 * tb, 31 * 86400, 1_000_000_000 * 31 * 24}, // the largest quota
	} {
		if got := dcm.StoredFor(c.bytes, c.seconds).GBHours(); got != c.hours {
			t.Errorf("%d bytes for %d s are %v GB hours, want %v", c.bytes, c.seconds, got, c.hours)
		}
	}
}

// TestSplitStorageAtTheEdges: terabytes for months are more than 64 bits hold.
func TestSplitStorageAtTheEdges(t *testing.T) {
	t.Parallel()
	from := at(t, "2026-11-01T00:00:00Z")
	for _, bytes := range []int64{
		math.MaxInt64 / (30 * 86400), // the most that 64 bits held of November
		math.MaxInt64/(30*86400) + 1,
		1 << 50, math.MaxInt64,
	} {
		parts := dcm.SplitStorage(bytes, from, from.AddDate(0, 2, 0))
		if len(parts) != 2 {
			t.Fatalf("%d parts", len(parts))
		}
		for i, days := range []int64{30, 31} {
			want := new(big.Int).Mul(big.NewInt(bytes), big.NewInt(days*86400))
			if got := parts[i].ByteSeconds; got.String() != want.String() {
				t.Errorf("%d bytes in %s: %s, want %s", bytes, parts[i].Month, got, want)
			}
		}
	}
	if parts := dcm.SplitStorage(math.MaxInt64, from, from.Add(time.Second)); parts[0].ByteSeconds != dcm.StoredFor(math.MaxInt64, 1) {
		t.Errorf("%+v", parts)
	}
}
