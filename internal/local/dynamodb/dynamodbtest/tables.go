package dynamodbtest

import (
	"crypto/rand"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func tableChecks() []check {
	return []check{
		{"describe answers keys, index and status", describesTable},
		{"a table that exists cannot be made again", func(f *fixture) {
			_, err := f.Client.CreateTable(f.Context(), f.definition())
			f.refused(err, "ResourceInUseException", "")
		}},
		{"a deleted table is gone", func(f *fixture) {
			f.must(f.Client.DeleteTable(f.Context(), &dynamodb.DeleteTableInput{TableName: &f.table}))
			_, err := f.Client.DescribeTable(f.Context(), &dynamodb.DescribeTableInput{TableName: &f.table})
			f.refused(err, "ResourceNotFoundException", "")
		}},
		{"a table made again is empty", recreatesTable},
		{"an unknown table is not found", func(f *fixture) {
			f.table = "no-such-table"
			f.refused(f.tryPut(keyed("a", "1")), "ResourceNotFoundException", "Requested resource not found|non-existent table")
			_, err := f.Client.GetItem(f.Context(), &dynamodb.GetItemInput{TableName: &f.table, Key: keyed("a", "1")})
			f.refused(err, "ResourceNotFoundException", "")
		}},
		{"a protected table cannot be deleted", protectsTable},
		{"an attribute defined and not used is refused", func(f *fixture) {
			f.refusesDefinition("Some AttributeDefinitions are not used|attributes defined in attribute definitions", func(d *dynamodb.CreateTableInput) {
				d.AttributeDefinitions = append(d.AttributeDefinitions,
					types.AttributeDefinition{AttributeName: aws.String("extra"), AttributeType: types.ScalarAttributeTypeS})
			})
		}},
		{"a key without a definition is refused", func(f *fixture) {
			f.refusesDefinition("", func(d *dynamodb.CreateTableInput) { d.KeySchema = keySchema("pk", "other") })
		}},
		{"throughput with on-demand billing is refused", func(f *fixture) {
			f.skipLocal("takes it")
			f.refusesDefinition("BillingMode is PAY_PER_REQUEST", func(d *dynamodb.CreateTableInput) {
				d.ProvisionedThroughput = &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)}
			})
		}},
		{"two indexes of one name are refused", func(f *fixture) {
			f.refusesDefinition("Duplicate index name|have the same name", func(d *dynamodb.CreateTableInput) {
				d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, d.GlobalSecondaryIndexes[0])
			})
		}},
		{"tables can be made all at once", createsConcurrently},
	}
}

func describesTable(f *fixture) {
	f.put(keyed("a", "1"), keyed("a", "2", item{"duePk": str("vm"), "dueAt": num("1")}))
	out, err := f.Client.DescribeTable(f.Context(), &dynamodb.DescribeTableInput{TableName: &f.table})
	f.must(out, err)
	f.equal(out.Table.TableStatus, types.TableStatusActive)
	f.equal(*out.Table.ItemCount, int64(2))
	f.equal(*out.Table.KeySchema[1].AttributeName, "sk")
	f.equal(len(out.Table.AttributeDefinitions), 4)
	index := out.Table.GlobalSecondaryIndexes[0]
	f.equal(*index.IndexName, "due")
	f.equal(index.IndexStatus, types.IndexStatusActive)
	f.equal(index.Projection.ProjectionType, types.ProjectionTypeAll)
	f.equal(out.Table.BillingModeSummary.BillingMode, types.BillingModePayPerRequest)
}

func recreatesTable(f *fixture) {
	f.put(keyed("a", "1"))
	f.must(f.Client.DeleteTable(f.Context(), &dynamodb.DeleteTableInput{TableName: &f.table}))
	f.must(f.Client.CreateTable(f.Context(), f.definition()))
	f.equal(f.scan(&dynamodb.ScanInput{}).Count, int32(0))
}

func protectsTable(f *fixture) {
	f.table = "check-" + rand.Text()
	d := f.definition()
	d.DeletionProtectionEnabled = aws.Bool(true)
	f.must(f.Client.CreateTable(f.Context(), d))
	_, err := f.Client.DeleteTable(f.Context(), &dynamodb.DeleteTableInput{TableName: &f.table})
	f.invalid(err, "protected against deletion")
}

func (f *fixture) refusesDefinition(fragment string, change func(*dynamodb.CreateTableInput)) {
	f.Helper()
	f.table = "check-" + rand.Text()
	d := f.definition()
	change(d)
	_, err := f.Client.CreateTable(f.Context(), d)
	f.invalid(err, fragment)
}

func createsConcurrently(f *fixture) {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		other := *f
		other.table = "check-" + rand.Text()
		wg.Go(func() { _, errs[i] = f.Client.CreateTable(f.Context(), other.definition()) })
	}
	wg.Wait()
	for _, err := range errs {
		f.must(nil, err)
	}
}
