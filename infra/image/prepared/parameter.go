package prepared

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Parameter is the record in an SSM parameter, where vms-create reads it.
type Parameter struct {
	Client *ssm.Client
	Name   string
}

var _ Record = Parameter{}

// Read reads the parameter, if there is one.
func (p Parameter) Read(ctx context.Context) (dcm.ImageRecord, error) {
	out, err := p.Client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(p.Name), WithDecryption: aws.Bool(true)})
	if _, none := errors.AsType[*types.ParameterNotFound](err); none {
		return dcm.ImageRecord{}, nil
	}
	if err != nil {
		return nil, p.failure("read", err)
	}
	r, err := dcm.ParseImageRecord(aws.ToString(out.Parameter.Value))
	if err != nil {
		return nil, final{fmt.Errorf("parameter %s holds something else: %w", p.Name, err)}
	}
	return r, nil
}

// Write writes it, whatever it was before.
func (p Parameter) Write(ctx context.Context, r dcm.ImageRecord) error {
	_, err := p.Client.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(p.Name), Value: aws.String(r.String()), Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
		Description: aws.String("The images that new servers boot, written by make image"),
	})
	if err != nil {
		return p.failure("write", err)
	}
	return nil
}

// failure tells what SSM refuses from what may pass.
func (p Parameter) failure(what string, err error) error {
	wrapped := fmt.Errorf("%s parameter %s: %w", what, p.Name, err)
	refusal, is := errors.AsType[smithy.APIError](err)
	if is && refusal.ErrorFault() == smithy.FaultClient && refusal.ErrorCode() != "ThrottlingException" {
		return final{wrapped}
	}
	return wrapped
}
