package dynamodb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
)

// call posts a request and returns the status, the headers and the body.
func call(t *testing.T, s http.Handler, operation, body string) (*http.Response, string) {
	t.Helper()
	r := newRequest(t, operation, body)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 …")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

func newRequest(t *testing.T, operation, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	return r
}

const simpleTable = `{"TableName": "plain", "BillingMode": "PAY_PER_REQUEST",
	"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}`

// withTable is a server with the table "plain", whose key is pk alone.
func withTable(t *testing.T, o dynamodb.Options) *dynamodb.Server {
	t.Helper()
	s := dynamodb.New(o)
	if r, body := call(t, s, "CreateTable", simpleTable); r.StatusCode != http.StatusOK {
		t.Fatal(body)
	}
	return s
}

func TestAnswersCarryTheirChecksum(t *testing.T) {
	t.Parallel()
	s := withTable(t, dynamodb.Options{})
	for _, operation := range []string{"DescribeTable", "Nonsense"} {
		r, body := call(t, s, operation, `{"TableName": "plain"}`)
		if got, want := r.Header.Get("X-Amz-Crc32"), fmt.Sprint(crc32.ChecksumIEEE([]byte(body))); got != want {
			t.Errorf("%s: X-Amz-Crc32 %s, want %s", operation, got, want)
		}
		if got := r.Header.Get("Content-Type"); got != "application/x-amz-json-1.0" {
			t.Errorf("%s: content type %s", operation, got)
		}
	}
}

func TestRefusesWhatItDoesNotOffer(t *testing.T) {
	t.Parallel()
	s := withTable(t, dynamodb.Options{})
	for _, c := range []struct{ operation, body, code, names string }{
		{"UpdateTable", `{}`, "UnknownOperationException", "UpdateTable"},
		{"ExecuteStatement", `{}`, "UnknownOperationException", "ExecuteStatement"},
		{"PutItem", `{"TableName": "plain", "Expected": {}}`, "ValidationException", "Expected"},
		{"PutItem", `{"TableName": "plain", "Item": {"pk": {"S": "a"}}, "ReturnItemCollectionMetrics": "SIZE"}`, "ValidationException", "ReturnItemCollectionMetrics"},
		{"GetItem", `{"TableName": "plain", "Key": {"pk": {"S": "a"}}, "AttributesToGet": ["a"]}`, "ValidationException", "AttributesToGet"},
		{"GetItem", `{"TableName": "plain", "Key": {"pk": {"S": "a"}}, "ReturnConsumedCapacity": "INDEXES"}`, "ValidationException", "INDEXES"},
		{"UpdateItem", `{"TableName": "plain", "AttributeUpdates": {}}`, "ValidationException", "AttributeUpdates"},
		{"Query", `{"TableName": "plain", "KeyConditions": {}}`, "ValidationException", "KeyConditions"},
		{"Query", `{"TableName": "plain", "QueryFilter": {}}`, "ValidationException", "QueryFilter"},
		{"Scan", `{"TableName": "plain", "Segment": 0, "TotalSegments": 2}`, "ValidationException", "Segment"},
		{"CreateTable", `{"TableName": "other", "LocalSecondaryIndexes": []}`, "ValidationException", "LocalSecondaryIndexes"},
		{"CreateTable", `{"TableName": "other", "StreamSpecification": {}}`, "ValidationException", "StreamSpecification"},
		{"ListTables", `{"Limit": 1}`, "ValidationException", "ListTables"},
		{"GetItem", `{"TableName": "plain", "Key": {"pk": {"S": "a", "N": "1"}}}`, "ValidationException", "more than one datatypes"},
		{"GetItem", `{"TableName": "plain", "Key": {"pk": {}}}`, "ValidationException", "is empty"},
		{"GetItem", `{"TableName": "plain", "Key": {"pk": {"X": "a"}}}`, "ValidationException", "X"},
		{"GetItem", `{"TableName": 5}`, "SerializationException", "TableName"},
		{"GetItem", `{"TableName": "plain"`, "SerializationException", "EOF"},
		{"GetItem", `{}`, "ValidationException", "tableName"},
	} {
		r, body := call(t, s, c.operation, c.body)
		var fault struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(body), &fault); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != http.StatusBadRequest || !strings.HasSuffix(fault.Type, "#"+c.code) || !strings.Contains(fault.Message, c.names) {
			t.Errorf("%s %s: %d %s, want %s naming %s", c.operation, c.body, r.StatusCode, body, c.code, c.names)
		}
	}
	if got := s.Dump("plain"); len(got) != 0 {
		t.Errorf("a refused request wrote %v", got)
	}
}

func TestRefusesWhoDoesNotSign(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	withTable(t, dynamodb.Options{}).ServeHTTP(w, newRequest(t, "DescribeTable", `{"TableName": "plain"}`))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "MissingAuthenticationToken") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRefusesRequestsOver16MB(t *testing.T) {
	t.Parallel()
	_, body := call(t, withTable(t, dynamodb.Options{}), "GetItem", strings.Repeat(" ", 16<<20+1))
	if !strings.Contains(body, "RequestEntityTooLarge") {
		t.Error(body)
	}
}

func TestOperation(t *testing.T) {
	t.Parallel()
	r := newRequest(t, "GetItem", "")
	if got := dynamodb.Operation(r); got != "GetItem" {
		t.Errorf("got %q", got)
	}
	r.Header.Set("X-Amz-Target", "TrentService.Sign")
	if got := dynamodb.Operation(r); got != "" {
		t.Errorf("another service's request is %q", got)
	}
}

func TestDump(t *testing.T) {
	t.Parallel()
	s := withTable(t, dynamodb.Options{})
	call(t, s, "PutItem", `{"TableName": "plain", "Item": {"pk": {"S": "a"}, "n": {"N": "1.50"}, "b": {"B": "aGk="}, "l": {"L": [{"BOOL": true}, {"NULL": true}]}, "m": {"M": {"s": {"SS": ["y", "x"]}}}}}`)
	got := fmt.Sprint(s.Tables(), s.Dump("plain"), s.Dump("none") == nil)
	want := `[plain] [map[b:[104 105] l:[true <nil>] m:map[s:[x y]] n:1.5 pk:a]] true`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestListTables(t *testing.T) {
	t.Parallel()
	if _, body := call(t, withTable(t, dynamodb.Options{}), "ListTables", `{}`); body != `{"TableNames":["plain"]}` {
		t.Error(body)
	}
}
