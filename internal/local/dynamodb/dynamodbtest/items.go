package dynamodbtest

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func itemChecks() []check {
	return []check{
		{"what was put is read back", func(f *fixture) {
			f.put(keyed("a", "1", item{"x": num("1")}))
			f.holds("a", "1", `{pk: "a", sk: "1", x: 1}`)
		}},
		{"a missing item is an empty answer", func(f *fixture) {
			f.equal(f.get("a", "none") == nil, true)
		}},
		{"put replaces the whole item", func(f *fixture) {
			f.put(keyed("a", "1", item{"x": num("1")}), keyed("a", "1", item{"y": num("2")}))
			f.holds("a", "1", `{pk: "a", sk: "1", y: 2}`)
		}},
		{"keys that read alike when joined do not collide", func(f *fixture) {
			f.put(keyed("a.b", "c", item{"x": num("1")}), keyed("a", "b.c", item{"x": num("2")}),
				keyed("a\x00b", "c", item{"x": num("3")}), keyed("a", "\x00bc", item{"x": num("4")}))
			f.holds("a.b", "c", `{pk: "a.b", sk: "c", x: 1}`)
			f.equal(column(f.scan(&dynamodb.ScanInput{}).Items, "x") != "", true)
			f.equal(f.scan(&dynamodb.ScanInput{}).Count, int32(4))
		}},
		{"put answers the old item with ALL_OLD", func(f *fixture) {
			f.put(keyed("a", "1", item{"x": num("1")}))
			out, err := f.Client.PutItem(f.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: keyed("a", "1"),
				ReturnValues: types.ReturnValueAllOld})
			f.must(out, err)
			f.equal(showItem(out.Attributes), `{pk: "a", sk: "1", x: 1}`)
		}},
		{"put cannot answer new values", func(f *fixture) {
			_, err := f.Client.PutItem(f.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: keyed("a", "1"),
				ReturnValues: types.ReturnValueAllNew})
			f.invalid(err, "Return")
		}},
		{"delete answers the old item with ALL_OLD", deletesItem},
		{"deleting what is not there succeeds", func(f *fixture) {
			f.must(f.Client.DeleteItem(f.Context(), &dynamodb.DeleteItemInput{TableName: &f.table, Key: keyed("a", "1")}))
		}},
		{"a failed condition answers the item when asked", failedConditionItem},
		{"a failed condition answers no item unasked", func(f *fixture) {
			f.put(keyed("a", "1"))
			err := f.putIf(keyed("a", "1"), "attribute_not_exists(pk)", nil, nil)
			failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
			f.equal(ok, true)
			f.equal(len(failed.Item), 0)
		}},
		{"delete under a condition", func(f *fixture) {
			f.put(keyed("a", "1", item{"x": num("1")}))
			_, err := f.Client.DeleteItem(f.Context(), &dynamodb.DeleteItemInput{TableName: &f.table, Key: keyed("a", "1"),
				ConditionExpression: ptr("x = :two"), ExpressionAttributeValues: item{":two": num("2")}})
			f.refused(err, "ConditionalCheckFailedException", "The conditional request failed")
			f.holds("a", "1", `{pk: "a", sk: "1", x: 1}`)
		}},
		{"a missing key attribute is refused", func(f *fixture) {
			f.invalid(f.tryPut(item{"pk": str("a")}), "Missing the key sk in the item|required keys was not given")
		}},
		{"a key of the wrong type is refused", func(f *fixture) {
			f.invalid(f.tryPut(item{"pk": num("1"), "sk": str("1")}), "Type mismatch for key pk expected: S actual: N|Type mismatch for key")
		}},
		{"an empty key is refused", func(f *fixture) {
			f.invalid(f.tryPut(keyed("", "1")), "cannot contain an empty string value. Key: pk")
			f.invalid(f.tryPut(keyed("a", "")), "cannot contain an empty string value. Key: sk")
		}},
		{"reading by half a key is refused", func(f *fixture) {
			_, err := f.Client.GetItem(f.Context(), &dynamodb.GetItemInput{TableName: &f.table, Key: item{"pk": str("a")}})
			f.invalid(err, "")
		}},
		{"reading by more than the key is refused", func(f *fixture) {
			_, err := f.Client.GetItem(f.Context(), &dynamodb.GetItemInput{TableName: &f.table, Key: keyed("a", "1", item{"x": str("y")})})
			f.invalid(err, "The provided key element does not match the schema|number of conditions on the keys")
		}},
	}
}

func ptr[T any](v T) *T { return &v }

func deletesItem(f *fixture) {
	f.put(keyed("a", "1", item{"x": num("1")}))
	out, err := f.Client.DeleteItem(f.Context(), &dynamodb.DeleteItemInput{TableName: &f.table, Key: keyed("a", "1"),
		ReturnValues: types.ReturnValueAllOld})
	f.must(out, err)
	f.equal(showItem(out.Attributes), `{pk: "a", sk: "1", x: 1}`)
	f.equal(f.get("a", "1") == nil, true)
}

func failedConditionItem(f *fixture) {
	f.put(keyed("a", "1", item{"x": num("1")}))
	_, err := f.Client.PutItem(f.Context(), &dynamodb.PutItemInput{TableName: &f.table, Item: keyed("a", "1"),
		ConditionExpression:                 ptr("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
	failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	f.equal(ok, true)
	f.equal(showItem(failed.Item), `{pk: "a", sk: "1", x: 1}`)
}
