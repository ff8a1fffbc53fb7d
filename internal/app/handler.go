package app

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"
)

// handler is a function as Lambda calls it. lambda.NewHandler makes one too, but
// gives the bytes of an answer back to a pool as it returns them: right where one
// call comes at a time, as in Lambda, and not in the local stack, where the next
// call then writes into an answer that is still being read.
type handler[In, Out any] func(context.Context, In) (Out, error)

func handle[In, Out any](f func(context.Context, In) (Out, error)) lambda.Handler {
	return handler[In, Out](f)
}

// Invoke decodes the event, and returns the answer in bytes that are the caller's.
func (h handler[In, Out]) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var event In
	if err := json.NewDecoder(bytes.NewReader(payload)).Decode(&event); err != nil {
		return nil, err
	}
	answer, err := h(ctx, event)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
