// A function that does what its event says, for the tests of lambdaruntime.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do   string `json:"do"`
	Text string `json:"text"`
}

type answer struct {
	Text      string        `json:"text"`
	RequestID string        `json:"requestId"`
	ARN       string        `json:"arn"`
	Function  string        `json:"function"`
	Left      time.Duration `json:"left"`
	Home      string        `json:"home"`
}

func main() {
	if os.Getenv("BROKEN") != "" {
		os.Exit(3)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, e event) (answer, error) {
	switch e.Do {
	case "fail":
		return answer{}, errors.New(e.Text)
	case "panic":
		panic(e.Text)
	case "exit":
		os.Exit(4)
	case "hang":
		<-ctx.Done()
		select {}
	}
	about, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return answer{
		Text: os.Getenv("GREETING") + e.Text, RequestID: about.AwsRequestID, ARN: about.InvokedFunctionArn,
		Function: lambdacontext.FunctionName, Left: time.Until(deadline), Home: os.Getenv("HOME"),
	}, nil
}
