// Package dynamodbtest holds the behaviour checks that a DynamoDB stand-in
// must pass, driven through the AWS SDK's own client. Where Amazon's DynamoDB
// Local is known to differ from the service, a check says so and how.
package dynamodbtest
