package dynamodb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
)

func newClock() *clocktest.Clock { return clocktest.New(time.Unix(1_790_000_000, 0)) }

func TestPurgeExpired(t *testing.T) {
	t.Parallel()
	clock := newClock()
	s := withTable(t, dynamodb.Options{Clock: clock})
	at := func(d time.Duration) string { return fmt.Sprint(clock.Now().Add(d).Unix()) }
	for key, value := range map[string]string{
		"soon": `{"N": "` + at(time.Minute) + `"}`, "later": `{"N": "` + at(time.Hour) + `"}`, "ancient": `{"N": "` + at(-6*365*24*time.Hour) + `"}`,
		"text": `{"S": "` + at(-time.Minute) + `"}`,
	} {
		call(t, s, "PutItem", `{"TableName": "plain", "Item": {"pk": {"S": "`+key+`"}, "expires": `+value+`}}`)
	}
	if n := s.PurgeExpired(); n != 0 {
		t.Errorf("purged %d items without a time to live", n)
	}
	call(t, s, "UpdateTimeToLive", `{"TableName": "plain", "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": true}}`)
	if n := s.PurgeExpired(); n != 0 {
		t.Errorf("purged %d items before their time", n)
	}
	clock.Advance(2 * time.Minute)
	if n := len(s.Dump("plain")); n != 4 {
		t.Errorf("%d items are visible, want all 4 until they are purged", n)
	}
	if n := s.PurgeExpired(); n != 1 {
		t.Errorf("purged %d items, want 1", n)
	}
	if left := fmt.Sprint(s.Dump("plain")); strings.Contains(left, "soon") || !strings.Contains(left, "ancient") || !strings.Contains(left, "text") {
		t.Errorf("left: %s", left)
	}
}

func TestClientRequestTokenLastsTenMinutes(t *testing.T) {
	t.Parallel()
	clock := newClock()
	s := withTable(t, dynamodb.Options{Clock: clock})
	add := func(n string) string {
		_, body := call(t, s, "TransactWriteItems", `{"ClientRequestToken": "token", "ReturnConsumedCapacity": "TOTAL", "TransactItems": [{"Update": {"TableName": "plain",
			"Key": {"pk": {"S": "a"}}, "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": "`+n+`"}}}}]}`)
		return body
	}
	count := func() string { return fmt.Sprint(s.Dump("plain")[0]["n"]) }
	add("1")
	clock.Advance(10*time.Minute - time.Second)
	if body := add("1.0"); count() != "1" || !strings.Contains(body, `"CapacityUnits":2`) {
		t.Errorf("within ten minutes the same token wrote again: %s, %s", count(), body)
	}
	if body := add("2"); !strings.Contains(body, "IdempotentParameterMismatchException") || count() != "1" {
		t.Errorf("another request under the token: %s", body)
	}
	clock.Advance(time.Second)
	if add("2"); count() != "3" {
		t.Errorf("after ten minutes the token still counts: %s", count())
	}
}
