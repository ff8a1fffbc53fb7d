package s3

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
)

// fault is an error as S3 answers it.
type fault struct {
	code    string
	message string
	// headersNotSigned is set for a presigned request with foreign headers.
	headersNotSigned string
}

func faultf(code, format string, args ...any) *fault {
	return &fault{code: code, message: fmt.Sprintf(format, args...)}
}

func (f *fault) status() int {
	switch f.code {
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed":
		return http.StatusForbidden
	case "NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NoSuchVersion":
		return http.StatusNotFound
	case "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case "BucketAlreadyOwnedByYou", "OperationAborted", "ConditionalRequestConflict":
		return http.StatusConflict
	case "MissingContentLength":
		return http.StatusLengthRequired
	case "PreconditionFailed":
		return http.StatusPreconditionFailed
	case "TooManyRequests":
		return http.StatusTooManyRequests
	case "InternalError":
		return http.StatusInternalServerError
	case "NotImplemented":
		return http.StatusNotImplemented
	case "SlowDown", "ServiceUnavailable":
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

type faultBody struct {
	XMLName          xml.Name `xml:"Error"`
	Code             string
	Message          string
	HeadersNotSigned string `xml:",omitempty"`
	Resource         string
	RequestID        string `xml:"RequestId"`
}

func writeFault(w http.ResponseWriter, r *http.Request, f *fault) {
	if r.Method == http.MethodHead {
		// An answer to HEAD has no body, so its code is lost, as with S3.
		w.WriteHeader(f.status())
		return
	}
	writeXML(w, f.status(), faultBody{
		Code: f.code, Message: f.message, HeadersNotSigned: f.headersNotSigned,
		Resource: r.URL.Path, RequestID: w.Header().Get("x-amz-request-id"),
	})
}

// WriteError answers r with an S3 error of this code, as the real service
// would render it. An empty code is InternalError.
func WriteError(w http.ResponseWriter, r *http.Request, code string) {
	if code == "" {
		code = "InternalError"
	}
	writeFault(w, r, faultf(code, "injected by the local stack"))
}

// writeXML marshals before it answers: the bodies are small.
func writeXML(w http.ResponseWriter, status int, body any) {
	text, err := xml.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text = append([]byte(xml.Header), text...)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
