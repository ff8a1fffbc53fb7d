package s3

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"strings"
)

// content is a body that was read, verified and spooled.
type content struct {
	blob blob
	// sha256 is over the whole body; every ETag is made of it.
	sha256 [sha256.Size]byte
	// checksum is the x-amz-checksum-* header it came with.
	checksum checksum
}

// checksum is a named digest in standard base64. The zero value is none.
type checksum struct {
	algorithm string // "SHA256", as in the API
	value     string
}

func (c content) etag() string { return `"` + hex.EncodeToString(c.sha256[:16]) + `"` }

// receive spools r's body and compares it with everything the request says
// about it. On a fault nothing is left behind.
func (s *Server) receive(r *request) (content, *fault) {
	if r.ContentLength < 0 {
		return content{}, faultf("MissingContentLength", "You must provide the Content-Length HTTP header")
	}
	if r.Header.Get("Content-Md5") != "" {
		return content{}, faultf("NotImplemented", "the local stack does not verify Content-MD5")
	}
	announced, digest, f := announcedChecksum(r.Header)
	if f != nil {
		return content{}, f
	}
	c, f := s.copyBody(r, digest)
	if f != nil {
		return content{}, f
	}
	c.checksum = announced
	if f := verifyBody(r, c, announced, digest); f != nil {
		drop([]blob{c.blob})
		return content{}, f
	}
	return c, nil
}

func (s *Server) copyBody(r *request, digest hash.Hash) (content, *fault) {
	file, err := s.spool.create()
	if err != nil {
		return content{}, internal(err)
	}
	var body io.Reader = io.LimitReader(r.Body, r.ContentLength)
	if digest != nil {
		body = io.TeeReader(body, digest)
	}
	c, err := hashInto(file, body, r.ContentLength)
	if err != nil || c.blob.size != r.ContentLength {
		_ = os.Remove(file.Name())
		return content{}, faultf("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
	}
	return c, nil
}

// maxBuffer is what copying a body takes of memory, at most.
const maxBuffer = 256 << 10

// hashInto copies body, of about size bytes, into file, and closes it.
func hashInto(file *os.File, body io.Reader, size int64) (content, error) {
	whole := sha256.New()
	buffer := make([]byte, min(max(size, 512), maxBuffer))
	n, err := io.CopyBuffer(io.MultiWriter(file, whole), body, buffer)
	c := content{blob: blob{path: file.Name(), size: n}}
	whole.Sum(c.sha256[:0])
	return c, errors.Join(err, file.Close())
}

// announcedChecksum reads the one x-amz-checksum-* header, if any. SHA-256
// needs no second digest: every body's is computed anyway.
func announcedChecksum(h http.Header) (checksum, hash.Hash, *fault) {
	var found checksum
	for name := range h {
		if rest, ok := strings.CutPrefix(name, "X-Amz-Checksum-"); ok && rest != "Mode" {
			if found.algorithm != "" {
				return checksum{}, nil, faultf("InvalidRequest", "Expecting a single x-amz-checksum- header")
			}
			found = checksum{algorithm: strings.ToUpper(rest), value: h.Get(name)}
		}
	}
	switch found.algorithm {
	case "", "SHA256":
		return found, nil, nil
	case "SHA1":
		return found, sha1.New(), nil
	case "CRC32":
		return found, crc32.NewIEEE(), nil
	case "CRC32C":
		return found, crc32.New(crc32.MakeTable(crc32.Castagnoli)), nil
	default:
		return checksum{}, nil, faultf("NotImplemented", "the local stack does not compute %s", found.algorithm)
	}
}

func verifyBody(r *request, c content, announced checksum, digest hash.Hash) *fault {
	if r.payload != unsignedPayload && r.payload != hex.EncodeToString(c.sha256[:]) {
		return faultf("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed")
	}
	if announced.algorithm == "" {
		return nil
	}
	sum := c.sha256[:]
	if digest != nil {
		sum = digest.Sum(nil)
	}
	if announced.value != base64.StdEncoding.EncodeToString(sum) {
		return faultf("BadDigest", "The %s you specified did not match the calculated checksum", announced.algorithm)
	}
	return nil
}

func internal(err error) *fault { return faultf("InternalError", "%v", err) }
