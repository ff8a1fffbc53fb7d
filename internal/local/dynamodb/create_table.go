package dynamodb

import (
	"maps"
	"regexp"
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

type attributeDefinition struct {
	AttributeName string
	AttributeType attribute.Kind
}

type keyElement struct {
	AttributeName string
	KeyType       string
}

type throughput struct{ ReadCapacityUnits, WriteCapacityUnits int64 }

type indexDefinition struct {
	IndexName             string
	KeySchema             []keyElement
	Projection            projection
	ProvisionedThroughput *throughput
}

type createTableRequest struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keyElement
	BillingMode               string
	ProvisionedThroughput     *throughput
	GlobalSecondaryIndexes    []indexDefinition
	DeletionProtectionEnabled bool
}

func (s *Server) createTable(r *createTableRequest) (any, error) {
	if !regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`).MatchString(r.TableName) {
		return nil, invalid("TableName must be at least 3 characters long and at most 255 characters long, of a-z, A-Z, 0-9, '_', '-' and '.': %q", r.TableName)
	}
	if _, exists := s.tables[r.TableName]; exists {
		return nil, faultf(codeInUse, "Table already exists: %s", r.TableName)
	}
	t, err := newTable(r)
	if err != nil {
		return nil, err
	}
	t.created = s.clock.Now()
	s.tables[t.name] = t
	return map[string]any{"TableDescription": t.describe()}, nil
}

func newTable(r *createTableRequest) (*table, error) {
	if err := checkBilling(r); err != nil {
		return nil, err
	}
	definitions := map[string]attribute.Kind{}
	for _, d := range r.AttributeDefinitions {
		if !d.AttributeType.Ordered() {
			return nil, invalid("Member must satisfy enum value set: [B, N, S]: attribute %s has type %q", d.AttributeName, d.AttributeType)
		}
		definitions[d.AttributeName] = d.AttributeType
	}
	used := map[string]bool{}
	schema, err := newKeySchema(r.KeySchema, definitions, used)
	if err != nil {
		return nil, err
	}
	t := &table{name: r.TableName, schema: schema, protected: r.DeletionProtectionEnabled}
	for _, d := range r.GlobalSecondaryIndexes {
		if err := t.addIndex(d, definitions, used); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(definitions)) {
		if !used[name] {
			return nil, invalid("One or more parameter values were invalid: Some AttributeDefinitions are not used. AttributeDefinitions: %s", name)
		}
	}
	t.description = newDescription(r)
	return t, nil
}

func checkBilling(r *createTableRequest) error {
	onDemand := r.BillingMode == "PAY_PER_REQUEST"
	switch {
	case !onDemand && r.BillingMode != "" && r.BillingMode != "PROVISIONED":
		return invalid("Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]: BillingMode %q", r.BillingMode)
	case onDemand && r.ProvisionedThroughput != nil:
		return invalid("One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case !onDemand && r.ProvisionedThroughput == nil:
		return invalid("One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	return nil
}

// newKeySchema reads a key and marks the definitions it uses.
func newKeySchema(elements []keyElement, definitions map[string]attribute.Kind, used map[string]bool) (keySchema, error) {
	var k keySchema
	if len(elements) < 1 || len(elements) > 2 || elements[0].KeyType != "HASH" || len(elements) == 2 && elements[1].KeyType != "RANGE" {
		return k, invalid("Invalid KeySchema: it must be one HASH key, optionally followed by one RANGE key")
	}
	for i, e := range elements {
		kind, ok := definitions[e.AttributeName]
		if !ok {
			return k, invalid("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [%s]", e.AttributeName)
		}
		used[e.AttributeName] = true
		a := keyAttribute{e.AttributeName, kind}
		if i == 0 {
			k.hash = a
		} else {
			k.rng = a
		}
	}
	if k.hash.name == k.rng.name {
		return k, invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	}
	return k, nil
}

func (t *table) addIndex(d indexDefinition, definitions map[string]attribute.Kind, used map[string]bool) error {
	if d.IndexName == "" {
		return invalid("Value null at 'globalSecondaryIndexes.member.indexName' failed to satisfy constraint: Member must not be null")
	}
	if _, err := t.index(d.IndexName); err == nil {
		return invalid("One or more parameter values were invalid: Duplicate index name: %s", d.IndexName)
	}
	switch d.Projection.Kind {
	case "ALL", "KEYS_ONLY":
		if d.Projection.Attributes != nil {
			return invalid("One or more parameter values were invalid: ProjectionType is %s, but NonKeyAttributes is specified", d.Projection.Kind)
		}
	case "INCLUDE":
		if len(d.Projection.Attributes) == 0 {
			return invalid("One or more parameter values were invalid: ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
		}
	default:
		return invalid("One or more parameter values were invalid: Unknown ProjectionType: %q", d.Projection.Kind)
	}
	schema, err := newKeySchema(d.KeySchema, definitions, used)
	if err != nil {
		return err
	}
	t.indexes = append(t.indexes, &index{name: d.IndexName, schema: schema, projection: d.Projection, table: t})
	return nil
}
