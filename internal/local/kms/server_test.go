package kms_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/kms"
)

// dial serves a stand-in and returns a real SDK client for it.
func dial(t *testing.T) *awskms.Client {
	t.Helper()
	front := httptest.NewServer(kms.New(kms.Options{Keys: map[string]kms.Spec{"data": kms.Symmetric, "other": kms.Symmetric, "token": kms.ECCP256}}))
	t.Cleanup(front.Close)
	return client(front.URL)
}

func client(url string) *awskms.Client {
	return awskms.New(awskms.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(url), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

func TestDataKey(t *testing.T) {
	t.Parallel()
	c, ctx := dial(t), context.Background()
	binding := map[string]string{"tenant": "acme", "purpose": "test"}
	made, err := c.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: aws.String("data"), KeySpec: types.DataKeySpecAes256, EncryptionContext: binding})
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Plaintext) != 32 {
		t.Fatalf("the data key has %d bytes", len(made.Plaintext))
	}
	opened, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: made.CiphertextBlob, EncryptionContext: binding})
	if err != nil || string(opened.Plaintext) != string(made.Plaintext) {
		t.Fatalf("Decrypt: %v", err)
	}
	for name, in := range map[string]*awskms.DecryptInput{
		"no context":      {CiphertextBlob: made.CiphertextBlob},
		"another context": {CiphertextBlob: made.CiphertextBlob, EncryptionContext: map[string]string{"tenant": "other", "purpose": "test"}},
		"moved text":      {CiphertextBlob: made.CiphertextBlob, EncryptionContext: map[string]string{"tenant": "acm", "purpose": "etest"}},
		"cut short":       {CiphertextBlob: made.CiphertextBlob[:10], EncryptionContext: binding},
		"no key's":        {CiphertextBlob: []byte{200, 1}, EncryptionContext: binding},
	} {
		_, err := c.Decrypt(ctx, in)
		if _, ok := errors.AsType[*types.InvalidCiphertextException](err); !ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err = c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: made.CiphertextBlob, EncryptionContext: binding, KeyId: aws.String("other")})
	if _, ok := errors.AsType[*types.IncorrectKeyException](err); !ok {
		t.Errorf("another key: got %v", err)
	}
}

func TestEncrypt(t *testing.T) {
	t.Parallel()
	c, ctx := dial(t), context.Background()
	sealed, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: aws.String("data"), Plaintext: []byte("text")})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, KeyId: sealed.KeyId})
	if err != nil || string(opened.Plaintext) != "text" {
		t.Fatalf("got %v, %v", opened, err)
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	c, ctx := dial(t), context.Background()
	digest := sha256.Sum256([]byte("text"))
	in := &awskms.SignInput{KeyId: aws.String("token"), Message: digest[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}
	signed, err := c.Sign(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	public, err := c.GetPublicKey(ctx, &awskms.GetPublicKeyInput{KeyId: aws.String("token")})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParsePKIXPublicKey(public.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(parsed.(*ecdsa.PublicKey), digest[:], signed.Signature) {
		t.Error("the signature does not verify")
	}
	in.Message = digest[:31]
	if _, err := c.Sign(ctx, in); code(err) != "ValidationException" {
		t.Errorf("a short digest: got %v", err)
	}
}

// TestOperations: what is said to be simulated is.
func TestOperations(t *testing.T) {
	t.Parallel()
	for _, name := range kms.Operations() {
		r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
		r.Header.Set("X-Amz-Target", "TrentService."+name)
		w := httptest.NewRecorder()
		kms.New(kms.Options{}).ServeHTTP(w, r)
		if kms.Operation(r) != name || strings.Contains(w.Body.String(), "UnknownOperation") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c, ctx := dial(t), context.Background()
	_, err := c.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: aws.String("nobody"), KeySpec: types.DataKeySpecAes256})
	if _, ok := errors.AsType[*types.NotFoundException](err); !ok {
		t.Errorf("an unknown key: got %v", err)
	}
	_, err = c.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: aws.String("token"), KeySpec: types.DataKeySpecAes256})
	if _, ok := errors.AsType[*types.InvalidKeyUsageException](err); !ok {
		t.Errorf("a signing key: got %v", err)
	}
	_, err = c.GetPublicKey(ctx, &awskms.GetPublicKeyInput{KeyId: aws.String("data")})
	if _, ok := errors.AsType[*types.InvalidKeyUsageException](err); !ok {
		t.Errorf("a symmetric key: got %v", err)
	}
	if _, err = c.ListKeys(ctx, &awskms.ListKeysInput{}); code(err) != "UnknownOperationException" {
		t.Errorf("an operation that is not here: got %v", err)
	}
	if _, err = c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: []byte("x"), DryRun: aws.Bool(true)}); code(err) != "ValidationException" {
		t.Errorf("a field that is not here: got %v", err)
	}
}

func TestCreateKey(t *testing.T) {
	t.Parallel()
	c, ctx := dial(t), context.Background()
	made, err := c.CreateKey(ctx, &awskms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	described, err := c.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: made.KeyMetadata.Arn})
	if err != nil || *described.KeyMetadata.KeyId != *made.KeyMetadata.KeyId {
		t.Fatalf("got %v, %v", described, err)
	}
	if _, err = c.CreateKey(ctx, &awskms.CreateKeyInput{KeySpec: types.KeySpecRsa2048}); code(err) != "ValidationException" {
		t.Errorf("a spec that is not here: got %v", err)
	}
}

// TestWriteError shows that an injected fault reaches a client as the real
// service's would, and that operations have the API's names.
func TestWriteError(t *testing.T) {
	t.Parallel()
	var operation string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation = kms.Operation(r)
		kms.WriteError(w, r, "KMSInternalException")
	}))
	t.Cleanup(front.Close)
	_, err := client(front.URL).GetPublicKey(context.Background(), &awskms.GetPublicKeyInput{KeyId: aws.String("token")})
	if _, ok := errors.AsType[*types.KMSInternalException](err); !ok {
		t.Errorf("got %v", err)
	}
	if operation != "GetPublicKey" {
		t.Errorf("the operation is %q", operation)
	}
}

func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
