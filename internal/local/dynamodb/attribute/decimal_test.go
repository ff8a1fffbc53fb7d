package attribute_test

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// decimals draws numbers near each other and far apart, of every sign.
func decimals() *rapid.Generator[attribute.Decimal] {
	return rapid.Custom(func(t *rapid.T) attribute.Decimal {
		text := fmt.Sprintf("%sE%d", rapid.StringMatching(`-?[0-9]{1,18}(\.[0-9]{1,18})?`).Draw(t, "mantissa"), rapid.IntRange(-12, 12).Draw(t, "exponent"))
		d, err := attribute.ParseDecimal(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return d
	})
}

func rational(d attribute.Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		panic("no number: " + d.String())
	}
	return r
}

func TestDecimalsCompareAndSortAsNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimals().Draw(t, "a"), decimals().Draw(t, "b")
		want := rational(a).Cmp(rational(b))
		if got := a.Compare(b); got != want {
			t.Fatalf("%v compares to %v as %d", a, b, got)
		}
		keyA, keyB := attribute.AppendKey(nil, attribute.Numeric(a)), attribute.AppendKey(nil, attribute.Numeric(b))
		if got := bytes.Compare(keyA, keyB); got != want {
			t.Fatalf("the keys of %v and %v sort as %d", a, b, got)
		}
		if want != 0 && bytes.HasPrefix(keyA, keyB) {
			t.Fatalf("the key of %v begins with that of %v", a, b)
		}
	})
}

func TestDecimalsAddExactlyOrNotAtAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimals().Draw(t, "a"), decimals().Draw(t, "b")
		if sum, err := a.Add(b); err == nil && rational(sum).Cmp(new(big.Rat).Add(rational(a), rational(b))) != 0 {
			t.Fatalf("%v + %v = %v", a, b, sum)
		}
		if difference, err := a.Sub(b); err == nil && rational(difference).Cmp(new(big.Rat).Sub(rational(a), rational(b))) != 0 {
			t.Fatalf("%v - %v = %v", a, b, difference)
		}
	})
}

func TestStringsSortAsTheirKeys(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.RuneFrom([]rune("a\x00\x01\u00ff\U0001F600")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		keyA, keyB := attribute.AppendKey(nil, attribute.Text(a)), attribute.AppendKey(nil, attribute.Text(b))
		if bytes.Compare(keyA, keyB) != strings.Compare(a, b) {
			t.Fatalf("the keys of %q and %q sort otherwise", a, b)
		}
		if begins := bytes.HasPrefix(keyB, attribute.AppendPrefix(nil, attribute.Text(a))); strings.HasPrefix(b, a) && !begins {
			t.Fatalf("the key of %q does not begin with that of %q", b, a)
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"0", "-0", "1e125", ".5", "5.", "1E-130", "-99.990", "1e+2", "--1", "1e99999999999", "0e5", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := attribute.ParseDecimal(text)
		if err != nil {
			return
		}
		again, err := attribute.ParseDecimal(d.String())
		if err != nil || again != d {
			t.Errorf("%q reads as %v, which reads as %v, %v", text, d, again, err)
		}
	})
}

func FuzzValue(f *testing.F) {
	for _, seed := range []string{`{"S": "a"}`, `{"N": "1.0"}`, `{"L": [{"M": {"a": {"NS": ["1"]}}}]}`, `{"BS": ["YQ=="]}`, `{"NULL": true}`, `{"L": null}`, `{"S": null}`, `{}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, again attribute.Value
		if v.UnmarshalJSON(text) != nil {
			return
		}
		written, err := v.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalJSON(written); err != nil || !again.Equal(v) {
			t.Errorf("%s was written as %s, which reads as %v, %v", text, written, again, err)
		}
	})
}
