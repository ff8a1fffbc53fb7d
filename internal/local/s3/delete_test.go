package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
)

func TestDeleteObjects(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 0), context.Background()
	first, second := s.put(t, "k", "one"), s.put(t, "k", "two")
	s.put(t, "hidden", "x")
	out, err := s.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("k"), VersionId: aws.String(first)}, {Key: aws.String("hidden")}, {Key: aws.String("never"), VersionId: aws.String("v")},
	}}})
	if err != nil || len(out.Deleted) != 3 || len(out.Errors) != 0 {
		t.Fatalf("DeleteObjects: %+v, %v", out, err)
	}
	if d := out.Deleted[1]; !aws.ToBool(d.DeleteMarker) || aws.ToString(d.DeleteMarkerVersionId) == "" {
		t.Errorf("a key without a version was deleted as %+v", d)
	}
	if _, err := s.get("k", first); code(err) != "NoSuchVersion" {
		t.Errorf("the version deleted: got %v", err)
	}
	if got, err := s.get("k", second); got != "two" || err != nil {
		t.Errorf("the other version: got %q, %v", got, err)
	}
	if _, err := s.get("hidden", ""); code(err) != "NoSuchKey" {
		t.Errorf("the key hidden: got %v", err)
	}
	quiet, err := s.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{
		Quiet: aws.Bool(true), Objects: []types.ObjectIdentifier{{Key: aws.String("k"), VersionId: aws.String(second)}},
	}})
	if err != nil || len(quiet.Deleted) != 0 {
		t.Errorf("quietly: %+v, %v", quiet, err)
	}
	if n := s.files(t); n != 1 {
		t.Errorf("%d files are spooled, for one version", n)
	}
}

// TestDeleteObjectsRefusals: the body is held to what S3 demands of it.
func TestDeleteObjectsRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, 0)
	s.put(t, "k", "one")
	const good = "<Delete><Object><Key>k</Key></Object></Delete>"
	sum := func(text string) string {
		h := sha256.Sum256([]byte(text))
		return base64.StdEncoding.EncodeToString(h[:])
	}
	weak := md5.Sum([]byte(good))
	for name, c := range map[string]struct{ code, body, header, value string }{
		"no checksum":      {"InvalidRequest", good, "", ""},
		"an MD5 only":      {"InvalidRequest", good, "Content-MD5", base64.StdEncoding.EncodeToString(weak[:])},
		"another checksum": {"BadDigest", good, "x-amz-checksum-sha256", sum("other")},
		"no objects":       {"MalformedXML", "<Delete></Delete>", "x-amz-checksum-sha256", sum("<Delete></Delete>")},
		"no XML":           {"MalformedXML", "k", "x-amz-checksum-sha256", sum("k")},
		"too many": {
			"MalformedXML", "<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>", "x-amz-checksum-sha256",
			sum("<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>"),
		},
	} {
		r, err := http.NewRequest(http.MethodPost, s.url+"/"+bucket+"?delete=", bytes.NewReader([]byte(c.body)))
		if err != nil {
			t.Fatal(err)
		}
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		hash := sha256.Sum256([]byte(c.body))
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		credentials := aws.Credentials{AccessKeyID: "AKIALOCAL", SecretAccessKey: "secret"}
		if err := signer.SignHTTP(context.Background(), credentials, r, hex.EncodeToString(hash[:]), "s3", "eu-central-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		if status, answer := send(t, r); status != http.StatusBadRequest || !strings.Contains(answer, "<Code>"+c.code+"</Code>") {
			t.Errorf("%s: status %d, want %s: %s", name, status, c.code, answer)
		}
	}
	if got, err := s.get("k", ""); got != "one" || err != nil {
		t.Errorf("after refusals: got %q, %v", got, err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 0), context.Background()
	s.server.AddBucket("mine", false)
	s.server.AddKey("TENANT", s3.Key{Secret: dcm.NewSecret("own"), Buckets: []string{"mine"}, Denied: []string{"DeleteObject"}})
	tenant := client(s.url, "TENANT", "own")
	put := func(c *awss3.Client, bucket string) error {
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x")})
		return err
	}
	if err := put(tenant, "mine"); err != nil {
		t.Error(err)
	}
	if err := put(tenant, bucket); code(err) != "AccessDenied" {
		t.Errorf("another's bucket: got %v", err)
	}
	if _, err := tenant.ListBuckets(ctx, &awss3.ListBucketsInput{}); code(err) != "AccessDenied" {
		t.Errorf("the list of all buckets: got %v", err)
	}
	if _, err := tenant.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String("mine"), Key: aws.String("k")}); code(err) != "AccessDenied" {
		t.Errorf("what the key may not do: got %v", err)
	}
	if err := put(s.Client, "mine"); err != nil {
		t.Errorf("the key that may do anything: %v", err)
	}
	s.server.AddBucket("mine", true)
	if objects := s.server.Objects(); len(objects) != 1 || objects[0].VersionID != "null" {
		t.Errorf("making a bucket again left %v", objects)
	}
	s.server.RemoveKey("TENANT")
	if err := put(tenant, "mine"); code(err) != "InvalidAccessKeyId" {
		t.Errorf("a key that was removed: got %v", err)
	}
}
