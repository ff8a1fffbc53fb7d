package storage_test

import (
	"cmp"
	"net/http"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/storage"
)

// TestABucketThatIsGone: nothing is unfinished in a tenant's own, and nothing is
// left to delete. The platform's is a wrong setting, and whatever else may pass
// is an error at both.
func TestABucketThatIsGone(t *testing.T) {
	t.Parallel()
	server, endpoint := standIn(t, nil)
	server.AddKey("TENANT", s3Key("secret", "backups"))
	s := storage.New(storage.Options{
		Credentials: static("AKIALOCAL", dcm.NewSecret("secret")), Region: region, Endpoint: endpoint,
		HTTPClient: &http.Client{}, AllowPrivateEndpoints: true,
	})
	u := dcm.UploadRef{Key: "acme/ws-aaaaaaaaaa/workspace.tar.gz.enc", UploadID: "u", BackupID: "bk-aaaaaaaaaa"}
	silent, wrong := tenants(endpoint), tenants(endpoint)
	silent.Endpoint = "http://127.0.0.1:1"
	wrong.SecretAccessKey = dcm.NewSecret("wrong")
	for name, c := range map[string]struct {
		bucket dcm.Bucket
		want   dcm.ProviderKind
	}{
		"the tenant's own":              {tenants(endpoint), ""},
		"the platform's":                {dcm.Bucket{Name: "backups"}, dcm.KindInvalid},
		"credentials that are refused":  {wrong, dcm.KindAuth},
		"a host that nobody answers at": {silent, dcm.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := s.AbortUpload(t.Context(), c.bucket, u); dcm.KindOf(err) != c.want {
				t.Errorf("AbortUpload: %v", err)
			}
			if object, err := s.FindUploaded(t.Context(), c.bucket, u); object != nil || dcm.KindOf(err) != c.want {
				t.Errorf("FindUploaded: %v, %v", object, err)
			}
			uploads, err := s.ListUploads(t.Context(), c.bucket, u.Key)
			if want := cmp.Or(c.want, dcm.KindNotFound); uploads != nil || dcm.KindOf(err) != want {
				t.Errorf("ListUploads: %v, %v", uploads, err)
			}
			for what, err := range map[string]error{
				"AbortUploads":  s.AbortUploads(t.Context(), c.bucket, u.Key),
				"DeleteAll":     s.DeleteAll(t.Context(), c.bucket, "acme/ws-aaaaaaaaaa/"),
				"DeleteVersion": s.DeleteVersion(t.Context(), c.bucket, u.Key, "1"),
			} {
				if dcm.KindOf(err) != c.want {
					t.Errorf("%s: %v", what, err)
				}
			}
			want := c.want
			if want == "" {
				want = dcm.KindNotFound
			}
			if _, err := s.Open(t.Context(), c.bucket, u.Key, ""); dcm.KindOf(err) != want {
				t.Errorf("Open: %v", err)
			}
			if _, err := s.CompleteUpload(t.Context(), c.bucket, u, dcm.UploadTotals{Parts: 1}); err == nil || dcm.KindOf(err) == dcm.KindNotFound {
				t.Errorf("CompleteUpload: %v", err)
			}
		})
	}
}
