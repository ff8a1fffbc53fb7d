package outside

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

// What a request needs of IAM, by service. The rules are those of AWS's
// service authorization reference.

const account = ":eu-central-1:000000000000:"

// dynamoAccess: a transaction needs the permission of each of its writes.
func dynamoAccess(r *http.Request, body []byte) []sam.Access {
	var q struct {
		TableName, IndexName string
		Key, Item            map[string]map[string]any
		RequestItems         map[string]struct{ Keys []map[string]map[string]any }
		TransactItems        []map[string]struct {
			TableName string
			Key, Item map[string]map[string]any
		}
	}
	_ = json.Unmarshal(body, &q) // the service itself refuses what is no JSON
	operation := operationOf(r)
	if operation == "TransactWriteItems" {
		var all []sam.Access
		for _, item := range q.TransactItems {
			for kind, w := range item {
				action := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}[kind]
				all = append(all, itemAccess(action, w.TableName, w.Key, w.Item))
			}
		}
		return all
	}
	if operation == "BatchGetItem" {
		var all []sam.Access
		for table, items := range q.RequestItems {
			for _, key := range items.Keys {
				all = append(all, itemAccess(operation, table, key))
			}
		}
		return all
	}
	a := itemAccess(operation, q.TableName, q.Key, q.Item)
	if q.IndexName != "" {
		a.Resource += "/index/" + q.IndexName
	}
	return []sam.Access{a}
}

func itemAccess(operation, table string, keys ...map[string]map[string]any) sam.Access {
	a := sam.Access{Action: "dynamodb:" + operation, Resource: "arn:aws:dynamodb" + account + "table/" + table}
	for _, key := range keys {
		if pk, ok := key["PK"]["S"].(string); ok {
			a.Context = map[string][]string{"dynamodb:LeadingKeys": {pk}}
		}
	}
	return a
}

func kmsAccess(r *http.Request, body []byte) []sam.Access {
	var q struct {
		KeyID             string `json:"KeyId"`
		EncryptionContext map[string]string
	}
	_ = json.Unmarshal(body, &q) // as above
	key := q.KeyID
	if key == "" {
		key = "DataKey" // Decrypt may leave it to the ciphertext, and we have one such key
	}
	a := sam.Access{
		Action: "kms:" + operationOf(r), Resource: "arn:aws:kms" + account + "key/" + key,
		Context: map[string][]string{},
	}
	for name, value := range q.EncryptionContext {
		a.Context["kms:EncryptionContext:"+name] = []string{value}
	}
	return []sam.Access{a}
}

func ssmAccess(r *http.Request, body []byte) []sam.Access {
	var q struct{ Name string }
	_ = json.Unmarshal(body, &q) // as above
	return []sam.Access{{Action: "ssm:" + operationOf(r), Resource: "arn:aws:ssm" + account + "parameter" + q.Name}}
}

// s3Access: several operations are one permission, and reading a version is
// another one than reading what is newest.
func s3Access(r *http.Request, _ []byte) []sam.Access {
	object := "arn:aws:s3:::" + strings.TrimPrefix(r.URL.Path, "/")
	bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	a := sam.Access{Resource: object}
	switch operation := s3.Operation(r); operation {
	case "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload":
		a.Action = "s3:PutObject"
	case "ListParts":
		a.Action = "s3:ListMultipartUploadParts"
	case "GetObject", "HeadObject":
		a.Action = "s3:GetObject"
		if r.URL.Query().Has("versionId") {
			a.Action = "s3:GetObjectVersion"
		}
	case "ListObjectVersions":
		a.Action, a.Resource = "s3:ListBucketVersions", "arn:aws:s3:::"+bucket
		a.Context = map[string][]string{"s3:prefix": {r.URL.Query().Get("prefix")}}
	case "ListMultipartUploads":
		a.Action, a.Resource = "s3:ListBucketMultipartUploads", "arn:aws:s3:::"+bucket
		a.Context = map[string][]string{"s3:prefix": {r.URL.Query().Get("prefix")}}
	case "DeleteObjects":
		return deletions(r, object)
	case "DeleteObject":
		a.Action = "s3:DeleteObject"
		if r.URL.Query().Has("versionId") {
			a.Action = "s3:DeleteObjectVersion"
		}
	default:
		a.Action = "s3:" + operation
	}
	return []sam.Access{a}
}

// deletions: a batch needs the permission of each of its deletions.
func deletions(r *http.Request, bucket string) []sam.Access {
	body, _ := io.ReadAll(r.Body) // a broken body shows where it is parsed
	r.Body = io.NopCloser(bytes.NewReader(body))
	var q struct {
		Object []struct{ Key, VersionId string }
	}
	_ = xml.Unmarshal(body, &q) // as above
	var all []sam.Access
	for _, o := range q.Object {
		a := sam.Access{Action: "s3:DeleteObject", Resource: strings.TrimSuffix(bucket, "/") + "/" + o.Key}
		if o.VersionId != "" {
			a.Action = "s3:DeleteObjectVersion"
		}
		all = append(all, a)
	}
	return all
}

func operationOf(r *http.Request) string {
	target := r.Header.Get("X-Amz-Target")
	return target[strings.LastIndex(target, ".")+1:]
}
