package app

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

// Handle is handle of numbers.
func Handle(f func(context.Context, int) (any, error)) lambda.Handler { return handle(f) }
