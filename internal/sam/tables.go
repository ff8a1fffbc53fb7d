package sam

import "gopkg.in/yaml.v3"

// readTables reads every DynamoDB table.
func (d *document) readTables(t *Template) error {
	for _, r := range d.ofKind("AWS::DynamoDB::Table") {
		v, err := d.value(r.properties, r.at)
		if err != nil {
			return err
		}
		name, err := d.ref(r.id, r.at, r.properties)
		if err != nil {
			return err
		}
		m, _ := v.(map[string]any)
		table := Table{LogicalID: r.id, Name: name.(string), Attributes: map[string]string{}}
		table.Key = keySchema(m["KeySchema"])
		for _, a := range maps(m["AttributeDefinitions"]) {
			table.Attributes[str(a["AttributeName"])] = str(a["AttributeType"])
		}
		for _, i := range maps(m["GlobalSecondaryIndexes"]) {
			table.Indexes = append(table.Indexes, index(i))
		}
		if len(maps(m["LocalSecondaryIndexes"])) > 0 {
			return r.at.errorf(r.properties, "local secondary indexes are not supported here")
		}
		if ttl := mapOf(m["TimeToLiveSpecification"]); str(ttl["Enabled"]) == "true" {
			table.TTLAttribute = str(ttl["AttributeName"])
		}
		table.PointInTime = str(mapOf(m["PointInTimeRecoverySpecification"])["PointInTimeRecoveryEnabled"]) == "true"
		table.DeletionProtection = str(m["DeletionProtectionEnabled"]) == "true"
		if err := table.check(r.at, r.properties); err != nil {
			return err
		}
		t.Tables = append(t.Tables, table)
	}
	return nil
}

// check refuses a table whose keys have no type: CloudFormation would too.
func (t Table) check(at place, n *yaml.Node) error {
	keys := []string{t.Key.Hash, t.Key.Range}
	for _, i := range t.Indexes {
		keys = append(keys, i.Key.Hash, i.Key.Range)
	}
	if t.Key.Hash == "" {
		return at.errorf(n, "has no hash key")
	}
	for _, key := range keys {
		if key != "" && t.Attributes[key] == "" {
			return at.errorf(n, "attribute %q has no definition", key)
		}
	}
	return nil
}

func index(m map[string]any) Index {
	projection := mapOf(m["Projection"])
	nonKey, _ := projection["NonKeyAttributes"].([]any)
	return Index{
		Name:       str(m["IndexName"]),
		Key:        keySchema(m["KeySchema"]),
		Projection: str(projection["ProjectionType"]),
		NonKey:     texts(nonKey),
	}
}

func keySchema(v any) KeySchema {
	var k KeySchema
	for _, part := range maps(v) {
		switch str(part["KeyType"]) {
		case "HASH":
			k.Hash = str(part["AttributeName"])
		case "RANGE":
			k.Range = str(part["AttributeName"])
		}
	}
	return k
}

func maps(v any) []map[string]any {
	var found []map[string]any
	items, _ := v.([]any)
	for _, item := range items {
		found = append(found, mapOf(item))
	}
	return found
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
