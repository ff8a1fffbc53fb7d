package dynamodbtest

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// Subject is one stand-in under test.
type Subject struct {
	Client *dynamodb.Client
	// DynamoDBLocal says that this is Amazon's: a few checks allow for what
	// it is known to get wrong.
	DynamoDBLocal bool
}

// check is one behaviour, checked on a table of its own.
type check struct {
	name string
	run  func(f *fixture)
}

// Run checks every behaviour against a subject. Checks run in parallel, each
// on tables with names of their own, so all may share one server.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	groups := []struct {
		name   string
		checks []check
	}{
		{"tables", tableChecks()},
		{"items", itemChecks()},
		{"values", valueChecks()},
		{"conditions", conditionChecks()},
		{"expressions", expressionChecks()},
		{"updates", updateChecks()},
		{"update refusals", updateRefusalChecks()},
		{"projections", projectionChecks()},
		{"queries", queryChecks()},
		{"scans", scanChecks()},
		{"index", indexChecks()},
		{"index pages", indexPageChecks()},
		{"batches", batchChecks()},
		{"transactions", transactionChecks()},
		{"transaction refusals", transactionRefusalChecks()},
		{"limits", limitChecks()},
		{"capacity", capacityChecks()},
		{"time to live", timeToLiveChecks()},
	}
	subject := newSubject(t)
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.checks {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newFixture(t, subject))
				})
			}
		})
	}
}

// fixture is a table with string keys pk and sk and the index "due": hash
// duePk (string), range dueAt (number), with every attribute.
type fixture struct {
	*testing.T
	Subject
	table string
}

func newFixture(t *testing.T, s Subject) *fixture {
	f := &fixture{T: t, Subject: s, table: "check-" + rand.Text()}
	f.must(f.Client.CreateTable(t.Context(), f.definition()))
	return f
}

func (f *fixture) definition() *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName:   &f.table,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("duePk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("dueAt"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: keySchema("pk", "sk"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String("due"),
			KeySchema:  keySchema("duePk", "dueAt"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}
}

func keySchema(hash string, rng ...string) []types.KeySchemaElement {
	k := []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}}
	for _, name := range rng {
		k = append(k, types.KeySchemaElement{AttributeName: &name, KeyType: types.KeyTypeRange})
	}
	return k
}

// must fails the check on an error; the answer is dropped.
func (f *fixture) must(_ any, err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// refused wants an error of that code whose message holds the fragment. What
// follows "|" in it is how DynamoDB Local words the same.
func (f *fixture) refused(err error, code, fragment string) {
	f.Helper()
	apiErr, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		f.Fatalf("want %s, got %v", code, err)
	}
	words, localWords, different := strings.Cut(fragment, "|")
	ok = strings.Contains(apiErr.ErrorMessage(), words) ||
		f.DynamoDBLocal && different && strings.Contains(apiErr.ErrorMessage(), localWords)
	if apiErr.ErrorCode() != code || !ok {
		f.Fatalf("want %s with %q, got %s: %s", code, fragment, apiErr.ErrorCode(), apiErr.ErrorMessage())
	}
}

// invalid wants a ValidationException whose message holds the fragment.
func (f *fixture) invalid(err error, fragment string) {
	f.Helper()
	f.refused(err, "ValidationException", fragment)
}

// skipLocal skips the rest of a check on DynamoDB Local, which is known to
// differ from the service.
func (f *fixture) skipLocal(how string) {
	if f.DynamoDBLocal {
		f.Skip("DynamoDB Local " + how)
	}
}

func (f *fixture) equal(got, want any) {
	f.Helper()
	if got != want {
		f.Fatalf("\n got %v\nwant %v", got, want)
	}
}
