package dynamodb

import (
	"maps"
	"slices"
)

// tableDescription is what DescribeTable answers; the counts are filled in
// when it is asked for.
type tableDescription struct {
	TableName                 string
	TableArn                  string
	TableId                   string
	TableStatus               string
	CreationDateTime          float64
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keyElement
	BillingModeSummary        *billingMode `json:",omitempty"`
	ProvisionedThroughput     throughput
	GlobalSecondaryIndexes    []indexDescription `json:",omitempty"`
	DeletionProtectionEnabled bool
	ItemCount                 int
	TableSizeBytes            int
}

type billingMode struct{ BillingMode string }

type indexDescription struct {
	IndexName             string
	IndexArn              string
	IndexStatus           string
	KeySchema             []keyElement
	Projection            projection
	ProvisionedThroughput throughput
	ItemCount             int
	IndexSizeBytes        int
}

func newDescription(r *createTableRequest) tableDescription {
	arn := "arn:aws:dynamodb:local:000000000000:table/" + r.TableName
	d := tableDescription{
		TableName: r.TableName, TableArn: arn, TableId: r.TableName, TableStatus: "ACTIVE",
		AttributeDefinitions: r.AttributeDefinitions, KeySchema: r.KeySchema,
		DeletionProtectionEnabled: r.DeletionProtectionEnabled,
	}
	if r.BillingMode == "PAY_PER_REQUEST" {
		d.BillingModeSummary = &billingMode{r.BillingMode}
	}
	if r.ProvisionedThroughput != nil {
		d.ProvisionedThroughput = *r.ProvisionedThroughput
	}
	for _, x := range r.GlobalSecondaryIndexes {
		i := indexDescription{IndexName: x.IndexName, IndexArn: arn + "/index/" + x.IndexName, IndexStatus: "ACTIVE",
			KeySchema: x.KeySchema, Projection: x.Projection}
		if x.ProvisionedThroughput != nil {
			i.ProvisionedThroughput = *x.ProvisionedThroughput
		}
		d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, i)
	}
	return d
}

func (t *table) describe() tableDescription {
	d := t.description
	d.CreationDateTime = float64(t.created.UnixMilli()) / 1000
	d.ItemCount, d.TableSizeBytes = t.records.Len(), t.bytes
	d.GlobalSecondaryIndexes = slices.Clone(d.GlobalSecondaryIndexes)
	for i, x := range t.indexes {
		d.GlobalSecondaryIndexes[i].ItemCount, d.GlobalSecondaryIndexes[i].IndexSizeBytes = x.records.Len(), x.bytes
	}
	return d
}

type tableRequest struct{ TableName string }

func (s *Server) describeTable(r *tableRequest) (any, error) {
	t, err := s.table(r.TableName)
	if err != nil {
		return nil, faultf(codeNotFound, "Requested resource not found: Table: %s not found", r.TableName)
	}
	return map[string]any{"Table": t.describe()}, nil
}

func (s *Server) deleteTable(r *tableRequest) (any, error) {
	t, err := s.table(r.TableName)
	if err != nil {
		return nil, faultf(codeNotFound, "Requested resource not found: Table: %s not found", r.TableName)
	}
	if t.protected {
		return nil, invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	delete(s.tables, r.TableName)
	d := t.describe()
	d.TableStatus = "DELETING"
	return map[string]any{"TableDescription": d}, nil
}

// maxTablesListed is the length of one page of ListTables.
const maxTablesListed = 100

func (s *Server) listTables(r *struct{ Limit int }) (any, error) {
	names := slices.Sorted(maps.Keys(s.tables))
	if r.Limit != 0 || len(names) > maxTablesListed {
		return nil, unsupported("ListTables in pages")
	}
	return map[string]any{"TableNames": append([]string{}, names...)}, nil
}
