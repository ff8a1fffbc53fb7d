package dcm_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func TestUsageUntil(t *testing.T) {
	t.Parallel()
	type part struct {
		month          dcm.Month
		seconds, hours int64
		cost           dcm.Micros
	}
	for name, c := range map[string]struct {
		from, until string
		want        []part
	}{
		"a moment costs an hour":         {"2026-11-24T10:00:00Z", "2026-11-24T10:00:00.000000001Z", []part{{"2026-11", 0, 1, 9600}}},
		"an hour costs an hour":          {"2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", []part{{"2026-11", 3600, 1, 9600}}},
		"a nanosecond more costs two":    {"2026-11-24T10:00:00Z", "2026-11-24T11:00:00.000000001Z", []part{{"2026-11", 3600, 2, 19200}}},
		"until the month's end":          {"2026-11-30T23:00:00Z", "2026-12-01T00:00:00Z", []part{{"2026-11", 3600, 1, 9600}}},
		"across the month's end":         {"2026-11-30T22:30:00Z", "2026-12-01T01:00:00Z", []part{{"2026-11", 5400, 2, 19200}, {"2026-12", 3600, 1, 9600}}},
		"the hour across is billed once": {"2026-11-30T23:30:00Z", "2026-12-01T00:10:00Z", []part{{"2026-11", 1800, 1, 9600}, {"2026-12", 600, 0, 0}}},
		"across the year's end":          {"2026-12-31T23:00:00Z", "2027-01-01T01:00:00Z", []part{{"2026-12", 3600, 1, 9600}, {"2027-01", 3600, 1, 9600}}},
		"a whole February":               {"2027-01-31T23:00:00Z", "2027-03-01T01:00:00Z", []part{{"2027-01", 3600, 1, 9600}, {"2027-02", 28 * 86400, 672, 672 * 9600}, {"2027-03", 3600, 1, 9600}}},
		"a leap year's February":         {"2028-01-31T23:00:00Z", "2028-03-01T01:00:00Z", []part{{"2028-01", 3600, 1, 9600}, {"2028-02", 29 * 86400, 696, 696 * 9600}, {"2028-03", 3600, 1, 9600}}},
		"months are UTC's":               {"2026-12-01T00:30:00+01:00", "2026-12-01T00:45:00+01:00", []part{{"2026-11", 900, 1, 9600}}},
		"no time":                        {"2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z", nil},
		"a clock that went back":         {"2026-11-24T10:00:00Z", "2026-11-24T09:00:00Z", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vm := dcm.VM{ProviderID: "1", Provider: "hetzner", Size: dcm.SizeSmall, CreatedAt: at(t, c.from), Price: &dcm.Price{Hourly: "0.0096"}}
			used, err := vm.UsageUntil(at(t, c.until))
			if err != nil {
				t.Fatal(err)
			}
			var got []part
			for _, u := range used {
				if u.Provider != "hetzner" || u.Size != dcm.SizeSmall || u.VMsStarted != 0 {
					t.Errorf("usage %+v", u)
				}
				got = append(got, part{u.Month, u.VMSeconds, u.BilledHours, u.Cost})
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestUsageOfWhatWasNeverThere(t *testing.T) {
	t.Parallel()
	from := at(t, "2026-11-24T10:00:00Z")
	if used, err := (dcm.VM{CreatedAt: from}).UsageUntil(from.Add(time.Hour)); err != nil || used != nil {
		t.Errorf("without a server: %v, %v", used, err)
	}
	used, err := (dcm.VM{CreatedAt: from, ProviderID: "1"}).UsageUntil(from.Add(time.Hour))
	if err != nil || len(used) != 1 || used[0].Cost != 0 || used[0].VMSeconds != 3600 {
		t.Errorf("without a price: %+v, %v", used, err)
	}
	if _, err := (dcm.VM{CreatedAt: from, ProviderID: "1", Price: &dcm.Price{Hourly: "cheap"}}).UsageUntil(from.Add(time.Hour)); err == nil {
		t.Error("a price that is none is no error")
	}
	if s := (dcm.VM{CreatedAt: from, Provider: "ovh", Size: "large"}).Started(); s != (dcm.Usage{Month: "2026-11", Provider: "ovh", Size: "large", VMsStarted: 1}) {
		t.Errorf("started: %+v", s)
	}
}

// moments draws times of this century, many of them at a month's end.
func moments() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		base := time.Date(2024+rapid.IntRange(0, 20).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")), 1, 0, 0, 0, 0, time.UTC)
		return base.Add(time.Duration(rapid.Int64Range(-int64(40*24*time.Hour), int64(40*24*time.Hour)).Draw(t, "offset")))
	})
}

// TestUsagePartsAddUp: however a life lies across months, its parts are the
// whole, one for each month, in order.
func TestUsagePartsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := moments().Draw(t, "from")
		life := time.Duration(rapid.Int64Range(1, int64(100*24*time.Hour)).Draw(t, "life"))
		hourly := dcm.Micros(rapid.Int64Range(0, 10_000_000).Draw(t, "hourly"))
		vm := dcm.VM{ProviderID: "1", CreatedAt: from, Price: &dcm.Price{Hourly: hourly.String()}}
		used, err := vm.UsageUntil(from.Add(life))
		if err != nil {
			t.Fatal(err)
		}
		var whole dcm.Usage
		month := dcm.Month("")
		for _, u := range used {
			if u.Month <= month || !u.Month.Valid() || u.VMSeconds < 0 || u.BilledHours < 0 || u.Cost != hourly*dcm.Micros(u.BilledHours) {
				t.Fatalf("part %+v after %s", u, month)
			}
			month = u.Month
			whole.VMSeconds += u.VMSeconds
			whole.BilledHours += u.BilledHours
			whole.Cost += u.Cost
		}
		hours := int64(life / time.Hour)
		if life%time.Hour != 0 {
			hours++
		}
		if whole.VMSeconds != int64(life/time.Second) || whole.BilledHours != hours || whole.Cost != hourly*dcm.Micros(hours) {
			t.Fatalf("%s: the parts make %+v", life, whole)
		}
		if used[0].Month != dcm.MonthOf(from) || month != dcm.MonthOf(from.Add(life-1)) {
			t.Fatalf("months %s to %s for %s to %s", used[0].Month, month, from, from.Add(life))
		}
	})
}

// TestWorstCaseIsNeverBeaten: what admission reserves is enough for any life
// that the lifetime and its stop allow.
func TestWorstCaseIsNeverBeaten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := moments().Draw(t, "from")
		lifetime := time.Duration(rapid.IntRange(15, 10080).Draw(t, "minutes")) * time.Minute
		life := time.Duration(rapid.Int64Range(0, int64(lifetime+dcm.StopGrace)).Draw(t, "life"))
		hourly := dcm.Micros(rapid.Int64Range(0, 10_000_000).Draw(t, "hourly"))
		vm := dcm.VM{ProviderID: "1", CreatedAt: from, Price: &dcm.Price{Hourly: hourly.String()}}
		used, err := vm.UsageUntil(from.Add(life))
		if err != nil {
			t.Fatal(err)
		}
		cost := dcm.Micros(0)
		for _, u := range used {
			cost += u.Cost
		}
		if worst := dcm.WorstCase(hourly, lifetime); cost > worst {
			t.Fatalf("%s of %s cost %s, more than %s", life, lifetime, cost, worst)
		}
	})
}

func TestSplitStorageAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := moments().Draw(t, "from").Truncate(time.Second)
		seconds := rapid.Int64Range(0, 100*86400).Draw(t, "seconds")
		bytes := rapid.Int64Range(0, 1<<33).Draw(t, "bytes")
		sum, month := dcm.ByteSeconds{}, dcm.Month("")
		for _, s := range dcm.SplitStorage(bytes, from, from.Add(time.Duration(seconds)*time.Second)) {
			if s.Month <= month || s.ByteSeconds.Sign() < 0 {
				t.Fatalf("part %+v after %s", s, month)
			}
			month, sum = s.Month, sum.Plus(s.ByteSeconds)
		}
		if sum != dcm.StoredFor(bytes, seconds) {
			t.Fatalf("%d bytes for %d s make %s", bytes, seconds, sum)
		}
	})
	if s := dcm.SplitStorage(1, at(t, "2026-11-24T10:00:00Z"), at(t, "2026-11-24T09:00:00Z")); s != nil {
		t.Errorf("a clock that went back: %v", s)
	}
}

func TestMonths(t *testing.T) {
	t.Parallel()
	for text, valid := range map[string]bool{
		"2026-11": true, "2026-01": true, "0001-12": true,
		"": false, "2026-00": false, "2026-13": false, "2026-1": false, "26-11": false, "2026-11-01": false,
		"2026/11": false, " 2026-11": false, "2026-11\n": false, "２０２６-11": false, "latest": false,
	} {
		if dcm.Month(text).Valid() != valid {
			t.Errorf("%q: valid is %v", text, !valid)
		}
	}
	if m := dcm.MonthOf(at(t, "2026-12-01T00:59:59+01:00")); m != "2026-11" {
		t.Errorf("month %s", m)
	}
}

func TestMicros(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		amount dcm.Micros
		shown  string
	}{
		"0": {0, "0.00"}, "0.0096": {9600, "0.0096"}, "12.5": {12_500_000, "12.50"}, "50": {50_000_000, "50.00"},
		"0.000001": {1, "0.000001"}, "0.0000001": {1, "0.000001"}, "0.0000019": {2, "0.000002"}, "1000000000": {1_000_000_000_000_000, "1000000000.00"},
		"0.0096000000000000": {9600, "0.0096"}, ".5": {500_000, "0.50"}, "9223372036854.775807": {math.MaxInt64, "9223372036854.775807"},
	} {
		got, err := dcm.ParseMicros(text)
		if err != nil || got != want.amount || got.String() != want.shown {
			t.Errorf("%q: %d (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "-1", "-0.0000001", "1e3", "1/2", "0x1", "1_000", "abc", "NaN", "Inf", "1,5", "9223372036854.775808", "99999999999999999999"} {
		if got, err := dcm.ParseMicros(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
	if s := dcm.Micros(-1_500_000).String(); s != "-1.50" {
		t.Errorf("a negative amount is %s", s)
	}
}

func TestMicrosRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := dcm.Micros(rapid.Int64Range(0, math.MaxInt64).Draw(t, "amount"))
		back, err := dcm.ParseMicros(m.String())
		if err != nil || back != m {
			t.Fatalf("%d is %s is %d: %v", m, m, back, err)
		}
	})
}
