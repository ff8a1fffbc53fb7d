package dcm

import (
	"context"
	"io"
	"time"
)

// Bucket is where backups go. The zero Credentials mean the platform's own,
// from the environment. It is an argument, never state.
type Bucket struct {
	Name string
	// Endpoint is the base URL of an S3-compatible service; empty for AWS.
	Endpoint        string
	Region          string
	AccessKeyID     string
	SecretAccessKey Secret
}

// PartSpec is a part the agent is about to upload.
type PartSpec struct {
	// Number counts from 1.
	Number    int    `json:"partNumber"`
	SizeBytes int64  `json:"size"`
	SHA256    string `json:"sha256"` // lower-case hex
}

// PresignedPart is where to PUT a part. The headers must be sent as given.
type PresignedPart struct {
	Number  int               `json:"partNumber"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
}

// UploadTotals are what an upload must amount to. PartsSHA256 is the SHA-256
// of the parts' binary SHA-256 digests in order, in lower-case hex.
type UploadTotals struct {
	Parts       int
	SizeBytes   int64
	PartsSHA256 string
}

// UploadRef names an upload under way.
type UploadRef struct {
	Key      string
	UploadID string
	BackupID BackupID
}

// StoredObject is a completed upload.
type StoredObject struct {
	Key       string
	VersionID string
	SizeBytes int64
}

// StoredUpload is an unfinished upload as the storage lists it.
type StoredUpload struct {
	Key       string
	UploadID  string
	StartedAt time.Time
}

// Storage keeps backups. Every error is a *ProviderError.
type Storage interface {
	// StartUpload begins a multipart upload that remembers its backup id.
	StartUpload(ctx context.Context, b Bucket, key string, id BackupID) (UploadRef, error)
	// PresignParts signs one PUT per part. The signature covers the part's
	// checksum and size, so that a corrupted or other body is refused by the
	// storage itself. It makes no call.
	PresignParts(ctx context.Context, b Bucket, u UploadRef, parts []PartSpec, life time.Duration) ([]PresignedPart, error)
	// CompleteUpload lists the parts that arrived, over all pages, compares
	// them with totals, completes the upload, asks the storage what it now
	// holds and compares its size. Completing one that was completed before
	// returns the same object. KindNotFound: neither the upload nor an object
	// of this backup id exists. KindInvalid: what arrived is not what was
	// announced; nothing was completed then.
	CompleteUpload(ctx context.Context, b Bucket, u UploadRef, totals UploadTotals) (StoredObject, error)
	// FindUploaded returns the object that the upload became, or nil if it
	// was never completed. Nor is there one in a tenant's own bucket that is gone.
	FindUploaded(ctx context.Context, b Bucket, u UploadRef) (*StoredObject, error)
	// AbortUpload ends an upload and frees its parts. One that no longer
	// exists is success, and so is one in a tenant's own bucket that is gone.
	AbortUpload(ctx context.Context, b Bucket, u UploadRef) error
	// AbortUploads ends every unfinished upload of exactly this key, known or
	// not: the answer that named one may have been lost. There is none in a
	// tenant's own bucket that is gone.
	AbortUploads(ctx context.Context, b Bucket, key string) error
	// ListUploads returns every unfinished upload whose key begins with prefix, ""
	// for all, over all pages. A failed page fails the list: a partial list is
	// never returned. Some services list uploads only by their whole key.
	// KindNotFound if it is a tenant's own bucket, and gone: there is none.
	ListUploads(ctx context.Context, b Bucket, prefix string) ([]StoredUpload, error)
	// PresignRead signs a GET of exactly this version. It makes no call.
	PresignRead(ctx context.Context, b Bucket, key, versionID string, life time.Duration) (Secret, error)
	// Put writes a small object.
	Put(ctx context.Context, b Bucket, key, contentType string, body []byte) error
	// Open reads exactly this version as a stream. KindNotFound, also if it was in
	// a tenant's own bucket that is gone.
	Open(ctx context.Context, b Bucket, key, versionID string) (io.ReadCloser, error)
	// UploadPart uploads a part of an upload that the control plane itself
	// makes, when it re-encrypts or moves a backup.
	UploadPart(ctx context.Context, b Bucket, u UploadRef, p PartSpec, body []byte) error
	// DeleteAll deletes every version of every object under the prefix, and
	// aborts every unfinished upload there. Nothing there is success, and so is a
	// tenant's own bucket that is gone. The prefix ends with "/", or it is
	// KindInvalid: it would be that of other names too.
	DeleteAll(ctx context.Context, b Bucket, prefix string) error
	// DeleteVersion deletes exactly this version. One that is gone is success, and
	// so is one in a tenant's own bucket that is.
	// With an empty versionID it deletes what a bucket without versions holds,
	// whichever upload wrote it: never to be called for a backup that a newer
	// one of the same key and bucket has replaced.
	DeleteVersion(ctx context.Context, b Bucket, key, versionID string) error
	// Check proves under the prefix that the credential may put, get, list,
	// upload in parts and delete, and leaves nothing behind. KindAuth,
	// KindNotFound (no such bucket), KindInvalid (an endpoint that may not be
	// used), KindUnavailable.
	Check(ctx context.Context, b Bucket, prefix string) error
}
