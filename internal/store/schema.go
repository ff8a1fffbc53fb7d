package store

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The attributes that the table's keys and indexes are made of.
const (
	attrPK      = "PK"
	attrSK      = "SK"
	attrDueKind = "dueKind"
	attrDueAt   = "dueAt"
	attrListKey = "listKey"
	attrCreated = "createdAt"
	attrTTL     = "ttl"

	dueIndex  = "due"
	listIndex = "byCreated"
)

// Schema is the shape of the table, in CloudFormation's words.
type Schema struct {
	// Attributes are the key attributes' types: "S" or "N".
	Attributes map[string]string
	HashKey    string
	RangeKey   string
	Indexes    []Index
	// TTLAttribute holds epoch seconds.
	TTLAttribute string
}

// Index is a global secondary index.
type Index struct {
	Name     string
	HashKey  string
	RangeKey string
	// Projection is "KEYS_ONLY" or "ALL".
	Projection string
}

// TableSchema is the table that the store works on. template.yaml declares the
// same one.
//
// Both indexes are sparse. "due" holds what needs attention at dueAt, and only
// keys, since whoever acts re-reads the item. "byCreated" makes a list newest
// first in one query, though ids are random: it holds a tenant's VMs and its
// workspaces, each kind under its listKey, ordered by createdAt, whole, so that
// a page is one call. A local index would be as good, but would limit a tenant
// to 10 GB.
func TableSchema() Schema {
	return Schema{
		Attributes: map[string]string{
			attrPK: "S", attrSK: "S",
			attrDueKind: "S", attrDueAt: "N",
			attrListKey: "S", attrCreated: "N",
		},
		HashKey:  attrPK,
		RangeKey: attrSK,
		Indexes: []Index{
			{Name: dueIndex, HashKey: attrDueKind, RangeKey: attrDueAt, Projection: "KEYS_ONLY"},
			{Name: listIndex, HashKey: attrListKey, RangeKey: attrCreated, Projection: "ALL"},
		},
		TTLAttribute: attrTTL,
	}
}

// CreateTable is the request that makes the table, for stacks that are not
// made by CloudFormation. TTL is switched on by a request of its own,
// EnableTTL.
func (s Schema) CreateTable(name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   keySchema(s.HashKey, s.RangeKey),
	}
	for _, attribute := range s.keyAttributes() {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(attribute),
			AttributeType: types.ScalarAttributeType(s.Attributes[attribute]),
		})
	}
	for _, i := range s.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName:  aws.String(i.Name),
			KeySchema:  keySchema(i.HashKey, i.RangeKey),
			Projection: &types.Projection{ProjectionType: types.ProjectionType(i.Projection)},
		})
	}
	return in
}

// EnableTTL is the request that switches TTL on.
func (s Schema) EnableTTL(name string) *dynamodb.UpdateTimeToLiveInput {
	return &dynamodb.UpdateTimeToLiveInput{
		TableName: aws.String(name),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(s.TTLAttribute), Enabled: aws.Bool(true),
		},
	}
}

func (s Schema) keyAttributes() []string {
	names := []string{s.HashKey, s.RangeKey}
	for _, i := range s.Indexes {
		names = append(names, i.HashKey, i.RangeKey)
	}
	return names
}

func keySchema(hash, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(hash), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange},
	}
}
