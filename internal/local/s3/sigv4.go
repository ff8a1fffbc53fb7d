package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm       = "AWS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	amzTime         = "20060102T150405Z"
	// maxSkew is how far a client's clock may be off.
	maxSkew = 15 * time.Minute
	// maxExpires is how long a presigned URL may live, in seconds.
	maxExpires = 7 * 24 * 60 * 60
)

// signed is what a request says about its signature.
type signed struct {
	accessKey string
	// scope is date/region/service/aws4_request.
	scope     string
	at        time.Time
	headers   []string
	signature string
	presigned bool
	// life is how long a presigned URL works.
	life    time.Duration
	payload string
}

// authenticate verifies r's signature and returns the payload hash it covers,
// and the key it was made with.
func (s *Server) authenticate(r *http.Request) (string, Key, *fault) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", Key{}, faultf("InvalidURI", "Couldn't parse the specified URI")
	}
	auth, f := readSignature(r, query)
	if f == nil {
		f = s.checkTime(auth)
	}
	if f == nil {
		f = checkSignedHeaders(r, auth)
	}
	if f != nil {
		return "", Key{}, f
	}
	key, ok := s.keyOf(auth.accessKey)
	if !ok {
		return "", Key{}, faultf("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records")
	}
	want := signature(key.Secret.Reveal(), auth, canonical(r, query, auth))
	if !hmac.Equal([]byte(want), []byte(auth.signature)) {
		return "", Key{}, faultf("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided")
	}
	return auth.payload, key, nil
}

func readSignature(r *http.Request, query url.Values) (signed, *fault) {
	header := r.Header.Get("Authorization")
	switch {
	case query.Has("X-Amz-Signature") && header != "":
		return signed{}, faultf("InvalidArgument", "Only one auth mechanism allowed")
	case query.Has("X-Amz-Signature"):
		return readPresigned(r, query)
	case header != "":
		return readAuthorization(r, header)
	default:
		return signed{}, faultf("AccessDenied", "Access Denied")
	}
}

func readPresigned(r *http.Request, query url.Values) (signed, *fault) {
	malformed := faultf("AuthorizationQueryParametersError", "the query string's authentication parameters are malformed")
	expires, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || expires < 1 || expires > maxExpires || query.Get("X-Amz-Algorithm") != algorithm {
		return signed{}, malformed
	}
	auth := signed{
		signature: query.Get("X-Amz-Signature"), presigned: true,
		life:    time.Duration(expires) * time.Second,
		headers: strings.Split(query.Get("X-Amz-SignedHeaders"), ";"),
		payload: unsignedPayload,
	}
	if v := r.Header.Get("x-amz-content-sha256"); v != "" {
		auth.payload = v
	}
	if auth.at, err = time.Parse(amzTime, query.Get("X-Amz-Date")); err != nil {
		return signed{}, malformed
	}
	if !auth.readCredential(query.Get("X-Amz-Credential")) {
		return signed{}, malformed
	}
	return auth, nil
}

func readAuthorization(r *http.Request, header string) (signed, *fault) {
	malformed := faultf("AuthorizationHeaderMalformed", "the authorization header is malformed")
	fields, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return signed{}, malformed
	}
	values := map[string]string{}
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		values[name] = value
	}
	auth := signed{
		signature: values["Signature"],
		headers:   strings.Split(values["SignedHeaders"], ";"),
		payload:   r.Header.Get("x-amz-content-sha256"),
	}
	var err error
	if auth.at, err = time.Parse(amzTime, r.Header.Get("x-amz-date")); err != nil {
		return signed{}, faultf("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	if !auth.readCredential(values["Credential"]) {
		return signed{}, malformed
	}
	if auth.payload == "" {
		return signed{}, faultf("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	}
	if strings.HasPrefix(auth.payload, "STREAMING-") {
		return signed{}, faultf("NotImplemented", "the local stack does not read aws-chunked bodies")
	}
	return auth, nil
}

// readCredential reads key/date/region/s3/aws4_request.
func (a *signed) readCredential(credential string) bool {
	key, scope, _ := strings.Cut(credential, "/")
	parts := strings.Split(scope, "/")
	if key == "" || len(parts) != 4 || parts[2] != "s3" || parts[3] != "aws4_request" {
		return false
	}
	a.accessKey, a.scope = key, scope
	return parts[0] == a.at.Format("20060102")
}

func (s *Server) checkTime(a signed) *fault {
	now := s.clock.Now()
	switch {
	case !a.presigned && now.Sub(a.at).Abs() > maxSkew:
		return faultf("RequestTimeTooSkewed", "The difference between the request time and the current time is too large")
	case a.presigned && a.at.Sub(now) > maxSkew:
		return faultf("AccessDenied", "Request is not valid yet")
	case a.presigned && now.After(a.at.Add(a.life)):
		return faultf("AccessDenied", "Request has expired")
	}
	return nil
}

// checkSignedHeaders demands that the host and every x-amz-* header is signed.
func checkSignedHeaders(r *http.Request, a signed) *fault {
	if !slices.Contains(a.headers, "host") {
		return faultf("AccessDenied", "the host header must be signed")
	}
	for _, name := range sortedKeys(r.Header) {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(a.headers, lower) {
			f := faultf("AccessDenied", "There were headers present in the request which were not signed")
			f.headersNotSigned = lower
			return f
		}
	}
	return nil
}

// signature is the SigV4 signature of a canonical request.
func signature(secret string, a signed, canonicalRequest string) string {
	hashed := sha256.Sum256([]byte(canonicalRequest))
	text := strings.Join([]string{algorithm, a.at.Format(amzTime), a.scope, hex.EncodeToString(hashed[:])}, "\n")
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(a.scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
