package apigateway

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// run invokes the handler. When the timeout has passed it returns at once, as
// the Lambda service does; the handler's context has ended then, but unlike
// there its process lives on.
func (f Function) run(ctx context.Context, name string, event []byte) ([]byte, error) {
	if f.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.Timeout)
		defer cancel()
	}
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       requestID(),
		InvokedFunctionArn: "arn:aws:lambda:eu-central-1:000000000000:function:" + name,
	})
	type result struct {
		answer []byte
		err    error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{err: fmt.Errorf("%s panicked: %v\n%s", name, p, debug.Stack())}
			}
			done <- r
		}()
		r.answer, r.err = f.Handler.Invoke(ctx, event)
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("%s: %w", name, r.err)
		}
		return r.answer, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", name, ctx.Err())
	}
}
