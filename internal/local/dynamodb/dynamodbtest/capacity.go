package dynamodbtest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const total = types.ReturnConsumedCapacityTotal

func capacityChecks() []check {
	return []check{
		{"no capacity is reported unasked", func(f *fixture) {
			out, err := f.Client.GetItem(f.Context(), &dynamodb.GetItemInput{TableName: &f.table, Key: keyed("a", "1")})
			f.must(out, err)
			f.equal(out.ConsumedCapacity == nil, true)
		}},
		{"an eventually consistent read costs half a unit for 4 KB", func(f *fixture) {
			f.put(sized("a", "1", 4096), sized("a", "2", 4097))
			f.equal(f.readUnits("1", false), 0.5)
			f.equal(f.readUnits("2", false), 1.0)
			f.equal(f.readUnits("none", false), 0.5)
		}},
		{"a consistent read costs one unit for 4 KB", func(f *fixture) {
			f.put(sized("a", "1", 4096), sized("a", "2", 4097))
			f.equal(f.readUnits("1", true), 1.0)
			f.equal(f.readUnits("2", true), 2.0)
			f.equal(f.readUnits("none", true), 1.0)
		}},
		{"a write costs one unit for 1 KB of the larger item", func(f *fixture) {
			f.equal(f.writeUnits(sized("a", "1", 1024)), 1.0)
			f.equal(f.writeUnits(sized("a", "2", 1025)), 2.0)
			f.equal(f.writeUnits(sized("a", "2", 100)), 2.0)
		}},
		{"a query costs the sum of its items", func(f *fixture) {
			f.put(sized("a", "1", 3000), sized("a", "2", 3000), sized("a", "3", 3000))
			in := partitionQuery()
			in.ReturnConsumedCapacity = total
			f.equal(*f.query(in).ConsumedCapacity.CapacityUnits, 1.5)
			in.ConsistentRead = ptr(true)
			f.equal(*f.query(in).ConsumedCapacity.CapacityUnits, 3.0)
		}},
		{"an empty query costs half a unit", func(f *fixture) {
			f.skipLocal("says 0")
			in := partitionQuery()
			in.ReturnConsumedCapacity = total
			f.equal(*f.query(in).ConsumedCapacity.CapacityUnits, 0.5)
		}},
		{"the index costs its own writes", func(f *fixture) {
			f.equal(f.writeUnits(keyed("a", "1", due("vm", "1"))), 2.0)                      // new in the index
			f.equal(f.writeUnits(keyed("a", "1", due("vm", "1"))), 1.0)                      // unchanged
			f.equal(f.writeUnits(keyed("a", "1", due("vm", "1"), item{"x": num("1")})), 2.0) // an attribute
			f.equal(f.writeUnits(keyed("a", "1", due("vm", "2"), item{"x": num("1")})), 3.0) // its key
			f.equal(f.writeUnits(keyed("a", "1")), 2.0)                                      // gone from it
		}},
		{"a transaction costs double", transactionCosts},
		{"a batch is summed", func(f *fixture) {
			f.skipLocal("does not count an item that is missing")
			f.put(sized("a", "1", 4097))
			out, err := f.Client.BatchGetItem(f.Context(), &dynamodb.BatchGetItemInput{ReturnConsumedCapacity: total,
				RequestItems: map[string]types.KeysAndAttributes{f.table: {Keys: []item{keyed("a", "1"), keyed("a", "none")}}}})
			f.must(out, err)
			f.equal(*out.ConsumedCapacity[0].CapacityUnits, 1.5)
		}},
	}
}

func (f *fixture) readUnits(sk string, consistent bool) float64 {
	f.Helper()
	out, err := f.Client.GetItem(f.Context(), &dynamodb.GetItemInput{TableName: &f.table, Key: keyed("a", sk),
		ConsistentRead: &consistent, ReturnConsumedCapacity: total})
	f.must(out, err)
	f.equal(strings.Contains(*out.ConsumedCapacity.TableName, f.table), true)
	return *out.ConsumedCapacity.CapacityUnits
}

func (f *fixture) writeUnits(i item) float64 {
	f.Helper()
	out, err := f.Client.PutItem(f.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: i, ReturnConsumedCapacity: total})
	f.must(out, err)
	return *out.ConsumedCapacity.CapacityUnits
}

func transactionCosts(f *fixture) {
	out, err := f.Client.TransactWriteItems(f.Context(), &dynamodb.TransactWriteItemsInput{ReturnConsumedCapacity: total,
		TransactItems: []types.TransactWriteItem{f.putAction(sized("a", "1", 1025), ""), f.putAction(keyed("a", "2"), "")}})
	f.must(out, err)
	f.equal(*out.ConsumedCapacity[0].CapacityUnits, 6.0)
	read, err := f.Client.TransactGetItems(f.Context(), &dynamodb.TransactGetItemsInput{ReturnConsumedCapacity: total,
		TransactItems: []types.TransactGetItem{{Get: &types.Get{TableName: &f.table, Key: keyed("a", "1")}}}})
	f.must(read, err)
	f.equal(*read.ConsumedCapacity[0].CapacityUnits, 2.0)
}
