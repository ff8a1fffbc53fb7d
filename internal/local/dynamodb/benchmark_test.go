package dynamodb_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
)

// BenchmarkByTableSize shows that no operation's cost follows the table's
// size: compare the lines of 1,000 and of 100,000 items.
func BenchmarkByTableSize(b *testing.B) {
	for _, items := range []int{1_000, 100_000} {
		s := filled(b, items)
		for _, c := range []struct{ name, operation, body string }{
			{"GetItem", "GetItem", `{"TableName": "big", "Key": {"pk": {"S": "TENANT#7"}, "sk": {"S": "VM#0000007"}}}`},
			{"Query", "Query", `{"TableName": "big", "KeyConditionExpression": "pk = :p", "Limit": 10, "ExpressionAttributeValues": {":p": {"S": "TENANT#7"}}}`},
			{"QueryIndex", "Query", `{"TableName": "big", "IndexName": "due", "KeyConditionExpression": "kind = :k AND dueAt <= :t", "Limit": 10, "ExpressionAttributeValues": {":k": {"S": "vm#1"}, ":t": {"N": "500"}}}`},
			{"UpdateItem", "UpdateItem", `{"TableName": "big", "Key": {"pk": {"S": "TENANT#7"}, "sk": {"S": "VM#0000007"}}, "UpdateExpression": "SET dueAt = dueAt + :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}`},
		} {
			b.Run(fmt.Sprintf("%s/items=%d", c.name, items), func(b *testing.B) {
				for b.Loop() {
					post(b, s, c.operation, c.body)
				}
			})
		}
	}
}

func filled(b *testing.B, items int) *dynamodb.Server {
	b.Helper()
	s := dynamodb.New(dynamodb.Options{})
	post(b, s, "CreateTable", `{"TableName": "big", "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}, {"AttributeName": "kind", "AttributeType": "S"}, {"AttributeName": "dueAt", "AttributeType": "N"}],
		"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
		"GlobalSecondaryIndexes": [{"IndexName": "due", "Projection": {"ProjectionType": "ALL"}, "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "dueAt", "KeyType": "RANGE"}]}]}`)
	for i := range items {
		post(b, s, "PutItem", fmt.Sprintf(`{"TableName": "big", "Item": {"pk": {"S": "TENANT#%d"}, "sk": {"S": "VM#%07d"}, "kind": {"S": "vm#%d"}, "dueAt": {"N": "%d"}}}`,
			i%100, i, i%8, i))
	}
	return s
}

func post(b *testing.B, s http.Handler, operation, body string) {
	b.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 …")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatal(w.Body)
	}
}
