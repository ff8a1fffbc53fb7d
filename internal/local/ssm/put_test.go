package ssm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

func TestPutParameter(t *testing.T) {
	t.Parallel()
	c := dial(t, server())
	put := func(value string, overwrite bool) error {
		_, err := c.PutParameter(t.Context(), &awsssm.PutParameterInput{
			Name: aws.String("/dcm/images"), Value: aws.String(value), Type: types.ParameterTypeString, Overwrite: aws.Bool(overwrite),
		})
		return err
	}
	if err := put("one", false); err != nil {
		t.Fatal(err)
	}
	if _, taken := errors.AsType[*types.ParameterAlreadyExists](put("two", false)); !taken {
		t.Error("it was overwritten unasked")
	}
	if err := put("three", true); err != nil {
		t.Error(err)
	}
	if err := put(strings.Repeat("x", 4097), true); err == nil {
		t.Error("more than SSM holds was taken")
	}
	out, err := c.GetParameter(t.Context(), &awsssm.GetParameterInput{Name: aws.String("/dcm/images"), WithDecryption: aws.Bool(true)})
	if err != nil || *out.Parameter.Value != "three" {
		t.Errorf("%+v, %v", out, err)
	}
}
