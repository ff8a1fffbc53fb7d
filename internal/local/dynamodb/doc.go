// Package dynamodb is a small in-memory DynamoDB: it speaks the JSON 1.0
// protocol over HTTP, so that the AWS SDK's own client runs against it.
//
// It offers the operations and expressions this project's store uses, with
// DynamoDB's limits, errors and capacity units. Whatever else a request asks
// for is refused by name and never answered in part. Its behaviour is held by
// the checks in dynamodbtest, which also run against Amazon's DynamoDB Local.
package dynamodb
