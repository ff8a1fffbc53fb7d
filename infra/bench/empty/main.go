// Command empty is the least a Go function can be: what every start is
// measured against.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() error { return nil }) }
