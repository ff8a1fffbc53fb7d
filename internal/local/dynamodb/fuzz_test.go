package dynamodb_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
)

// FuzzRequest wants no request to be answered with an internal error.
func FuzzRequest(f *testing.F) {
	for operation, body := range map[string]string{
		"CreateTable":        `{"TableName": "t", "KeySchema": [], "GlobalSecondaryIndexes": [{}]}`,
		"PutItem":            `{"TableName": "plain", "Item": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(pk)"}`,
		"UpdateItem":         `{"TableName": "plain", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"N": "1"}}}`,
		"DeleteItem":         `{"TableName": "plain", "Key": null}`,
		"Query":              `{"TableName": "plain", "KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}, "ExclusiveStartKey": {"pk": {"S": "a"}}}`,
		"Scan":               `{"TableName": "plain", "IndexName": "x", "Limit": -1}`,
		"BatchGetItem":       `{"RequestItems": {"plain": null}}`,
		"BatchWriteItem":     `{"RequestItems": {"plain": [{}]}}`,
		"TransactWriteItems": `{"TransactItems": [{"Put": {"TableName": "plain", "Item": null}}]}`,
		"TransactGetItems":   `{"TransactItems": [{"Get": null}]}`,
		"UpdateTimeToLive":   `{"TableName": "plain"}`,
	} {
		f.Add(operation, body)
	}
	f.Fuzz(func(t *testing.T, operation, body string) {
		s := dynamodb.New(dynamodb.Options{})
		for _, c := range [][2]string{{"CreateTable", simpleTable}, {operation, body}, {"Scan", `{"TableName": "plain"}`}} {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(c[1]))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+c[0])
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 …")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= http.StatusInternalServerError {
				t.Fatalf("%s %q: %d %s", c[0], c[1], w.Code, w.Body)
			}
		}
	})
}
