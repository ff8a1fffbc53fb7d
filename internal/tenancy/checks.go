package tenancy

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// maxSecretBytes bounds a token or a key that a tenant brings along.
const maxSecretBytes = 4096

var (
	wordPattern   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:-]{0,62}[A-Za-z0-9])?$`)
	zonePattern   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	regionPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)
	// domainPattern is a DNS name of at least two labels in lower case. What
	// other scripts write arrives as punycode ("xn--…"), or not at all.
	domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	localPattern  = regexp.MustCompile(`^[A-Za-z0-9_+-][A-Za-z0-9._%+'-]{0,63}$`)
)

// fields collects what is wrong with a request.
type fields []dcm.FieldError

func (f *fields) add(field, format string, args ...any) {
	*f = append(*f, dcm.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (f *fields) check(field string, err error) {
	if err != nil {
		f.add(field, "%s", err.Error())
	}
}

// err is nil if nothing is wrong.
func (f fields) err() error { return dcm.InvalidFields(f...) }

// secret checks what goes into a header or a signature. It never says what it
// was given.
func (f *fields) secret(field string, s dcm.Secret) {
	text := s.Reveal()
	switch {
	case text == "":
		f.add(field, "is required")
	case len(text) > maxSecretBytes:
		f.add(field, "must be at most %d characters", maxSecretBytes)
	case !visible(text):
		f.add(field, "must be visible ASCII without spaces, line breaks or control characters")
	}
}

// word checks an optional name that an outside service gave something.
func (f *fields) word(field, value string) {
	if value != "" && !wordPattern.MatchString(value) {
		f.add(field, "must be at most 64 letters, digits, dots, colons, hyphens and underscores")
	}
}

// custom checks the type of settings that a tenant brings along.
func (f *fields) custom(value, route string) {
	switch value {
	case "custom":
	case "":
		f.add("type", "is required: custom")
	case "platform":
		f.add("type", "must be custom; DELETE %s returns to the platform's", route)
	default:
		f.add("type", "must be custom")
	}
}

// visible reports whether text is ASCII that one can see.
func visible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func checkText(value string, maxRunes int) error {
	switch {
	case !utf8.ValidString(value):
		return errors.New("must be valid UTF-8")
	case utf8.RuneCountInString(value) > maxRunes:
		return fmt.Errorf("must be at most %d characters", maxRunes)
	case strings.ContainsFunc(value, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }):
		return errors.New("must not contain control or invisible characters")
	}
	return nil
}

func checkDomain(name string) error {
	switch {
	case name == "":
		return errors.New("is required")
	case strings.ContainsFunc(name, func(r rune) bool { return r > '~' }):
		// A letter of another script may look like one of ours, or turn into
		// one in lower case.
		return errors.New("must be ASCII; write other scripts as punycode (xn--…)")
	case len(name) > maxBaseDomain:
		return fmt.Errorf("must be at most %d characters", maxBaseDomain)
	case !domainPattern.MatchString(strings.ToLower(name)):
		return errors.New("must be a DNS name such as dev.example.com")
	}
	return nil
}

// maxBaseDomain leaves room, in the 253 characters of a DNS name, for what
// stands before it: "_acme-challenge", a VM's label and "vm".
const maxBaseDomain = 253 - len("_acme-challenge.vm-0123456789.vm.")

func checkEmail(address string) error {
	local, domain, found := strings.Cut(address, "@")
	switch {
	case len(address) > 254:
		return errors.New("must be at most 254 characters")
	// ASCII first: some letters of other scripts turn into ours in lower case.
	case !visible(address) || !found || !localPattern.MatchString(local) || strings.HasSuffix(local, ".") || strings.Contains(local, ".."),
		!domainPattern.MatchString(strings.ToLower(domain)):
		return errors.New("must be an email address in ASCII")
	}
	return nil
}

// checkBucket adds S3's naming rules that go beyond a name's letters.
func checkBucket(name string) error {
	if err := dcm.CheckBucketName(name); err != nil {
		return err
	}
	for part := range strings.SplitSeq(name, ".") {
		if strings.HasPrefix(part, "-") || strings.HasSuffix(part, "-") {
			return errors.New("must not have a dot beside a hyphen")
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return errors.New("must not look like an address")
	}
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, prefix) {
			return fmt.Errorf("must not begin with %s, which S3 reserves", prefix)
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return fmt.Errorf("must not end in %s, which S3 reserves", suffix)
		}
	}
	return nil
}
