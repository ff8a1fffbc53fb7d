// Package reference is the API's description: the OpenAPI document and a page
// to read it on. Both are embedded; neither needs anything from outside.
//
// openapi.json is made from infra/openapi.yaml, so that no Lambda has to read
// YAML; a test holds one against the other.
package reference

//go:generate go test -run ^TestTheDocumentIsTheYAML$ . -update

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the files below
	"encoding/base64"
	"encoding/json"
	"strings"
)

var (
	//go:embed openapi.json
	document string
	//go:embed page.html
	frame string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// Document is the OpenAPI document, as JSON.
func Document() string { return document }

// Page is the document as one HTML page, and the Content-Security-Policy it is
// to be sent with: it may run its own script and style, and reach nothing.
func Page() (html, policy string) {
	html = strings.NewReplacer(
		"{{style}}", style, "{{script}}", script, "{{document}}", inert(document),
	).Replace(frame)
	policy = "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) +
		"; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return html, policy
}

// inert is a JSON document that can't end the element it stands in.
func inert(document string) string {
	var b bytes.Buffer
	json.HTMLEscape(&b, []byte(document))
	return b.String()
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
