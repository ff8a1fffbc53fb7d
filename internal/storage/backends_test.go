package storage_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
	"github.com/devcontainer-manager/devcontainer-manager/internal/storage"
	"github.com/devcontainer-manager/devcontainer-manager/internal/storage/storagetest"
)

const region = "eu-central-1"

// TestStandIn runs the suite against the local stack's S3.
func TestStandIn(t *testing.T) {
	t.Parallel()
	_, url := standIn(t, nil)
	storagetest.Run(t, subject(t, url, "AKIALOCAL", dcm.NewSecret("secret")))
}

// TestExternal runs the suite against the S3 that DCM_TEST_S3_ENDPOINT names.
func TestExternal(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("DCM_TEST_S3_ENDPOINT")
	if endpoint == "" {
		t.Skip("DCM_TEST_S3_ENDPOINT names no other back end")
	}
	s := subject(t, endpoint, os.Getenv("DCM_TEST_S3_ACCESS_KEY"), dcm.NewSecret(os.Getenv("DCM_TEST_S3_SECRET")))
	s.Lacks = lacks(t, endpoint)
	storagetest.Run(t, s)
}

// lacks returns what the server at endpoint is known to be unable to do. A
// server we do not know has to pass everything.
func lacks(t *testing.T, endpoint string) map[string]string {
	t.Helper()
	answer, err := http.Get(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	switch server := strings.Join(answer.Header.Values("Server"), " "); {
	case strings.HasPrefix(server, "Werkzeug/"):
		return motoLacks()
	case server == "VERSITYGW":
		return versitygwLacks()
	default:
		return nil
	}
}

// motoLacks: moto 5.2.5 imitates the answers of S3, not its refusals.
func motoLacks() map[string]string {
	const (
		signatures = "moto does not verify signatures"
		bodies     = "moto does not compare a part with its checksum or length"
	)
	return map[string]string{
		"wrong credentials are an auth error":                   signatures,
		"a tampered upload URL is refused":                      signatures,
		"a tampered read URL is refused":                        signatures,
		"a URL for another key is refused":                      signatures,
		"a read URL does not write":                             signatures,
		"a header that was not signed is refused":               signatures,
		"an expired upload URL is refused":                      "moto does not look at X-Amz-Expires",
		"an expired read URL is refused":                        "moto does not look at X-Amz-Expires",
		"a part with another body is refused":                   bodies,
		"a part of another length is refused":                   bodies,
		"a part without its checksum is refused":                bodies,
		"a wrong digest completes nothing":                      "moto's ListParts has no checksums: the digest is compared after the completion",
		"a part that is not what it is said to be is not taken": bodies,
		"a part of an upload that is gone is not taken":         "moto answers a part of an unknown upload with a 500",
		"unfinished uploads are listed with their age":          "moto says of every upload that it began in 2010",
		"an aborted upload takes no more parts":                 "moto answers a part of an unknown upload with a 500",
	}
}

// versitygwLacks: versitygw 1.8.0 passes everything but one. There the list
// fails, so that nothing is done by a part of it.
func versitygwLacks() map[string]string {
	return map[string]string{
		"more unfinished uploads than a page are all listed": "versitygw refuses the marker that it gave for the next page of uploads",
	}
}

// standIn serves the local stack's S3.
func standIn(t *testing.T, clock dcm.Clock) (*s3.Server, string) {
	t.Helper()
	server := s3.New(s3.Options{Clock: clock, Keys: map[string]dcm.Secret{"AKIALOCAL": dcm.NewSecret("secret")}, Dir: t.TempDir()})
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	return server, front.URL
}

// s3Key opens some buckets of the stand-in.
func s3Key(secret string, buckets ...string) s3.Key {
	return s3.Key{Secret: dcm.NewSecret(secret), Buckets: buckets}
}

// subject makes two buckets at endpoint and the way to a storage there.
func subject(t *testing.T, endpoint, accessKey string, secret dcm.Secret) storagetest.Subject {
	t.Helper()
	name := "dcm-" + strings.ToLower(rand.Text()[:12])
	makeBucket(t, endpoint, name, accessKey, secret, true)
	makeBucket(t, endpoint, name+"-plain", accessKey, secret, false)
	return storagetest.Subject{
		New: func(clock dcm.Clock, client *http.Client) dcm.Storage {
			return storage.New(storage.Options{
				Credentials: static(accessKey, secret), Region: region, Endpoint: endpoint, HTTPClient: client, Clock: clock,
			})
		},
		Versioned:   dcm.Bucket{Name: name},
		Unversioned: dcm.Bucket{Name: name + "-plain"},
		List: func(t *testing.T, b dcm.Bucket, prefix string) []string {
			return everything(t, sdk(endpoint, accessKey, secret), b.Name, prefix)
		},
		Hide: func(t *testing.T, b dcm.Bucket, key string) {
			t.Helper()
			_, err := sdk(endpoint, accessKey, secret).DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(b.Name), Key: aws.String(key)})
			if err != nil {
				t.Fatalf("hide %s: %v", key, err)
			}
		},
	}
}

func sdk(endpoint, accessKey string, secret dcm.Secret) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: region, Credentials: static(accessKey, secret), BaseEndpoint: aws.String(endpoint), UsePathStyle: true,
	})
}

// everything lists versions, delete markers and unfinished uploads.
func everything(t *testing.T, client *awss3.Client, bucket, prefix string) (found []string) {
	t.Helper()
	versions := awss3.NewListObjectVersionsPaginator(client, &awss3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: aws.String(prefix)})
	for versions.HasMorePages() {
		page, err := versions.NextPage(t.Context())
		if err != nil {
			t.Fatalf("list versions: %v", err)
		}
		for _, v := range page.Versions {
			found = append(found, "version "+aws.ToString(v.VersionId)+" of "+aws.ToString(v.Key))
		}
		for _, m := range page.DeleteMarkers {
			found = append(found, "marker "+aws.ToString(m.VersionId)+" of "+aws.ToString(m.Key))
		}
	}
	uploads := awss3.NewListMultipartUploadsPaginator(client, &awss3.ListMultipartUploadsInput{Bucket: aws.String(bucket), Prefix: aws.String(prefix)})
	for uploads.HasMorePages() {
		page, err := uploads.NextPage(t.Context())
		if err != nil {
			t.Fatalf("list uploads: %v", err)
		}
		for _, u := range page.Uploads {
			found = append(found, "upload "+aws.ToString(u.UploadId)+" of "+aws.ToString(u.Key))
		}
	}
	return found
}

func static(accessKey string, secret dcm.Secret) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secret.Reveal()}, nil
	})
}

// makeBucket makes a bucket as the template would.
func makeBucket(t *testing.T, endpoint, name, accessKey string, secret dcm.Secret, versioned bool) {
	t.Helper()
	client := sdk(endpoint, accessKey, secret)
	_, err := client.CreateBucket(context.Background(), &awss3.CreateBucketInput{
		Bucket:                    aws.String(name),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)},
	})
	if err != nil {
		t.Fatalf("make bucket %s: %v", name, err)
	}
	if !versioned {
		return
	}
	_, err = client.PutBucketVersioning(context.Background(), &awss3.PutBucketVersioningInput{
		Bucket:                  aws.String(name),
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatalf("enable versioning of %s: %v", name, err)
	}
}
