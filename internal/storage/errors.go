package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// refuse makes an error of our own, without asking the storage.
func refuse(op string, kind dcm.ProviderKind, message string) *dcm.ProviderError {
	return &dcm.ProviderError{Kind: kind, Op: op, Message: message}
}

// failure turns the SDK's error into one whose kind the lifecycle can decide
// by and whose message a tenant can act on. The SDK's own text, which names
// hosts and request ids, stays in the log.
func failure(op string, err error) *dcm.ProviderError {
	e := &dcm.ProviderError{Op: op, Err: err}
	var code string
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	status := 0
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = answer.HTTPStatusCode()
		if answer.Response != nil {
			e.RetryAfter = retryAfter(answer.Response.Header)
		}
	}
	e.Kind, e.Message = classify(code, status)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		e.Kind, e.Message = dcm.KindUnavailable, "the storage did not answer in time"
	}
	if status == 0 {
		if kind, message := unconnected(err); kind != "" {
			e.Kind, e.Message = kind, message
		}
	}
	return e
}

// unconnected judges a failure that came before any answer, as far as a tenant
// can do something about it; "" otherwise.
func unconnected(err error) (dcm.ProviderKind, string) {
	if _, ok := errors.AsType[*refusedAddress](err); ok {
		return dcm.KindInvalid, "the storage's endpoint leads to a private or local address"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return dcm.KindUnavailable, "the storage's certificate is not one that we trust"
	}
	if unknown, ok := errors.AsType[*net.DNSError](err); ok && unknown.IsNotFound {
		return dcm.KindUnavailable, "the storage's host name is not known"
	}
	return "", ""
}

// classify goes by the code where the status says too little.
func classify(code string, status int) (dcm.ProviderKind, string) {
	switch code {
	case "NoSuchBucket":
		// Not KindNotFound: that speaks of an upload, and would lose it.
		return dcm.KindInvalid, "the storage has no bucket of this name"
	case "NoSuchUpload", "NoSuchKey", "NoSuchVersion", "NotFound":
		return dcm.KindNotFound, "the storage does not know this object or upload"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return dcm.KindInvalid, "the bucket is in another region"
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return dcm.KindQuota, "the storage is full"
	case "SlowDown", "TooManyRequests", "ThrottlingException", "Throttling", "RequestLimitExceeded":
		return dcm.KindRateLimited, "the storage asks to slow down"
	case "RequestTimeTooSkewed", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict":
		return dcm.KindUnavailable, "the storage could not answer just now"
	case "NotImplemented", "MethodNotAllowed":
		return dcm.KindInvalid, "the storage does not implement what backups need"
	case "ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "AccountProblem",
		"XAdminUserNotFound": // versitygw's, with a 404
		return dcm.KindAuth, "the storage refused the credentials"
	case "EntityTooSmall", "EntityTooLarge", "InvalidPart", "InvalidPartOrder", "BadDigest":
		return dcm.KindInvalid, "the storage refused the uploaded parts"
	default:
		return classifyStatus(status)
	}
}

func classifyStatus(status int) (dcm.ProviderKind, string) {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return dcm.KindAuth, "the storage refused the credentials"
	case status == http.StatusNotFound:
		return dcm.KindNotFound, "the storage does not know this object or upload"
	case status == http.StatusTooManyRequests:
		return dcm.KindRateLimited, "the storage asks to slow down"
	case status == http.StatusInsufficientStorage:
		return dcm.KindQuota, "the storage is full"
	case status >= 300 && status < 400:
		return dcm.KindInvalid, "the storage redirects elsewhere, and redirects are not followed"
	case status >= 400 && status < 500:
		return dcm.KindInvalid, "the storage refused the request"
	default:
		return dcm.KindUnavailable, "the storage could not be reached"
	}
}

// retryAfter reads a number of seconds; the date form is not used by storages.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// bucketGone reports whether a tenant's own bucket is no more, and with it
// everything that was in it. The platform's is named by a setting: one that is
// not there is a wrong setting, and proves nothing.
func bucketGone(b dcm.Bucket, err error) bool {
	return b.AccessKeyID != "" && hasCode(err, "NoSuchBucket")
}

// failureIn is failure, but KindNotFound in a tenant's own bucket that is gone.
func failureIn(b dcm.Bucket, op string, err error) *dcm.ProviderError {
	f := failure(op, err)
	if bucketGone(b, err) {
		f.Kind = dcm.KindNotFound
	}
	return f
}

// hasCode reports whether the storage answered with one of these codes.
func hasCode(err error, codes ...string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, api.ErrorCode())
}
