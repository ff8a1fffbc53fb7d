package s3

import (
	"maps"
	"net/http"
	"slices"
)

// operations are what a subresource (a query parameter that changes what a
// request means) stands for by method, for a bucket and for a key. "" is a
// request without any.
func operations(sub string) (onBucket, onKey map[string]string) {
	switch sub {
	case "":
		return map[string]string{"PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket", "GET": "ListObjects"},
			map[string]string{"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
	case "list-type":
		return map[string]string{"GET": "ListObjectsV2"}, nil
	case "versions":
		return map[string]string{"GET": "ListObjectVersions"}, nil
	case "versioning":
		return map[string]string{"PUT": "PutBucketVersioning", "GET": "GetBucketVersioning"}, nil
	case "uploads":
		return map[string]string{"GET": "ListMultipartUploads"}, map[string]string{"POST": "CreateMultipartUpload"}
	case "uploadId":
		return nil, map[string]string{
			"PUT": "UploadPart", "GET": "ListParts", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload",
		}
	case "delete":
		return map[string]string{"POST": "DeleteObjects"}, nil
	default:
		return nil, nil
	}
}

// foreign are subresources that S3 knows and we do not: without this list a
// request about an object's tags would be taken for one about the object.
func foreign(q string) bool {
	switch q {
	case "accelerate", "acl", "analytics", "annotation", "attributes", "cors", "encryption", "intelligent-tiering",
		"inventory", "legal-hold", "lifecycle", "location", "logging", "metadataTable", "metrics", "notification",
		"object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject",
		"replication", "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "website":
		return true
	}
	return false
}

// Operations are all the names that Operation has.
func Operations() []string {
	names := []string{"ListBuckets"}
	for _, sub := range append([]string{""}, subresources()...) {
		onBucket, onKey := operations(sub)
		names = slices.AppendSeq(names, maps.Values(onBucket))
		names = slices.AppendSeq(names, maps.Values(onKey))
	}
	slices.Sort(names)
	return names
}

// subresources are the query parameters that say what a request means.
func subresources() []string {
	return []string{"list-type", "versions", "versioning", "uploads", "uploadId", "delete"}
}

// Operation returns the name that S3's API gives to what r asks for, such as
// UploadPart, or "" if it is none.
func Operation(r *http.Request) string {
	bucket, key := target(r)
	query := r.URL.Query()
	for name := range query {
		if foreign(name) {
			return ""
		}
	}
	if bucket == "" {
		if r.Method == http.MethodGet {
			return "ListBuckets"
		}
		return ""
	}
	if r.Header.Get("x-amz-copy-source") != "" {
		return ""
	}
	sub := ""
	for _, name := range subresources() {
		if query.Has(name) {
			sub = name
			break
		}
	}
	onBucket, onKey := operations(sub)
	if key == "" {
		return onBucket[r.Method]
	}
	return onKey[r.Method]
}
