package dynamodb_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
)

// row is what the model knows of an item: sk to dueAt; nil is outside the index.
type rows map[string]*int

// TestIndexFollowsItsTable makes random writes and wants the sparse index,
// read in pages of a random size and direction, to hold exactly the items
// with its key, in order.
func TestIndexFollowsItsTable(t *testing.T) {
	t.Parallel()
	_, client := serve(t, dynamodb.Options{})
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		m := &model{T: t, client: client, table: fmt.Sprintf("model-%d", run), rows: rows{}}
		m.create()
		for range rapid.IntRange(1, 25).Draw(t, "writes") {
			m.write()
		}
		m.compare(rapid.Bool().Draw(t, "forward"), rapid.IntRange(1, 6).Draw(t, "page"))
	})
}

type model struct {
	*rapid.T
	client *sdk.Client
	table  string
	rows   rows
}

func (m *model) must(_ any, err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *model) create() {
	definition := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	key := func(hash, rng string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &rng, KeyType: types.KeyTypeRange}}
	}
	m.must(m.client.CreateTable(m.Context(), &sdk.CreateTableInput{TableName: &m.table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{definition("pk", "S"), definition("sk", "S"), definition("due", "S"), definition("dueAt", "N")},
		KeySchema:            key("pk", "sk"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("due"), KeySchema: key("due", "dueAt"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}}}}))
}

func (m *model) key(sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "p"}, "sk": &types.AttributeValueMemberS{Value: sk}}
}

// write makes one random write, in a transaction or alone.
func (m *model) write() {
	sk := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"}).Draw(m.T, "item")
	due := rapid.IntRange(-3, 12).Draw(m.T, "due")
	number := &types.AttributeValueMemberN{Value: strconv.Itoa(due)}
	switch rapid.SampledFrom([]string{"put", "bare", "move", "leave", "delete"}).Draw(m.T, "write") {
	case "put":
		item := m.key(sk)
		item["due"], item["dueAt"] = &types.AttributeValueMemberS{Value: "vm"}, number
		m.must(m.client.PutItem(m.Context(), &sdk.PutItemInput{TableName: &m.table, Item: item}))
		m.rows[sk] = &due
	case "bare":
		m.must(m.client.TransactWriteItems(m.Context(), &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: &m.table, Item: m.key(sk)}}}}))
		m.rows[sk] = nil
	case "move":
		m.must(m.client.UpdateItem(m.Context(), &sdk.UpdateItemInput{TableName: &m.table, Key: m.key(sk), UpdateExpression: aws.String("SET due = :vm, dueAt = :at"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":vm": &types.AttributeValueMemberS{Value: "vm"}, ":at": number}}))
		m.rows[sk] = &due
	case "leave":
		m.must(m.client.UpdateItem(m.Context(), &sdk.UpdateItemInput{TableName: &m.table, Key: m.key(sk), UpdateExpression: aws.String("REMOVE dueAt")}))
		m.rows[sk] = nil
	case "delete":
		m.must(m.client.DeleteItem(m.Context(), &sdk.DeleteItemInput{TableName: &m.table, Key: m.key(sk)}))
		delete(m.rows, sk)
	}
}

func (m *model) compare(forward bool, page int) {
	var got, want []string
	for sk, due := range m.rows {
		if due != nil {
			want = append(want, fmt.Sprintf("%d/%s", *due, sk))
		}
	}
	in := &sdk.QueryInput{TableName: &m.table, IndexName: aws.String("due"), KeyConditionExpression: aws.String("due = :vm"), Limit: aws.Int32(int32(page)),
		ScanIndexForward: &forward, ExpressionAttributeValues: map[string]types.AttributeValue{":vm": &types.AttributeValueMemberS{Value: "vm"}}}
	pages := sdk.NewQueryPaginator(m.client, in)
	for pages.HasMorePages() {
		out, err := pages.NextPage(m.Context())
		m.must(out, err)
		for _, i := range out.Items {
			got = append(got, i["dueAt"].(*types.AttributeValueMemberN).Value+"/"+i["sk"].(*types.AttributeValueMemberS).Value)
		}
	}
	dueOf := func(s string) int { n, _ := strconv.Atoi(s[:strings.IndexByte(s, '/')]); return n }
	byDue := func(a, b string) int { return cmp.Compare(dueOf(a), dueOf(b)) }
	if !forward {
		slices.Reverse(got)
	}
	if !slices.IsSortedFunc(got, byDue) {
		m.Fatalf("out of order: %v", got)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.Fatalf("\n got %v\nwant %v", got, want)
	}
}
