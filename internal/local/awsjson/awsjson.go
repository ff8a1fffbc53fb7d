// Package awsjson answers as AWS's services with a JSON protocol do.
package awsjson

import (
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strconv"
)

// Version is a protocol's, as its content type says it.
type Version string

// The versions.
const (
	Version10 Version = "1.0"
	Version11 Version = "1.1"
)

// Write answers with a body. It goes with the checksum that the SDK verifies;
// without it every call logs a warning.
func Write(w http.ResponseWriter, v Version, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	WriteText(w, v, status, text)
}

// WriteText is Write for a body that is JSON already.
func WriteText(w http.ResponseWriter, v Version, status int, text []byte) {
	w.Header().Set("Content-Type", "application/x-amz-json-"+string(v))
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(text)), 10))
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that left gets no answer
}

// WriteFault answers with an error of this code.
func WriteFault(w http.ResponseWriter, v Version, status int, code, message string) {
	w.Header().Set("X-Amzn-ErrorType", code)
	Write(w, v, status, map[string]string{"__type": code, "message": message})
}
