package storetest

import (
	"encoding/json"
	"reflect"
	"testing"
)

// wantEqual compares by value, and shows both sides as JSON when they differ.
func wantEqual[T any](t *testing.T, got, want T) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	t.Fatalf("got\n%s\nwant\n%s", g, w)
}
