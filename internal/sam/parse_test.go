package sam_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

const small = `
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
  Audience: {Type: CommaDelimitedList, Default: "a, b"}
  Rate: {Type: Number, Default: 7}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
  IsOther: !Not [!Condition IsProduction]
  Both: !And [!Condition IsProduction, !Condition IsOther]
  Either: !Or [!Condition IsProduction, !Condition IsOther]
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Architectures: [arm64]
    Timeout: 9
    Environment:
      Variables: {TABLE: !Ref Table, STAGE: !Ref Stage}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Jwt
        Authorizers:
          Jwt: {JwtConfiguration: {issuer: !Sub "https://${Stage}.example.com", audience: !Ref Audience}}
      DefaultRouteSettings: {ThrottlingRateLimit: 100, ThrottlingBurstLimit: 200}
      RouteSettings:
        POST /things: {ThrottlingRateLimit: !Ref Rate, ThrottlingBurstLimit: 8}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Join ["-", [things, !Ref Stage]]
      AttributeDefinitions: [{AttributeName: PK, AttributeType: S}, {AttributeName: at, AttributeType: N}]
      KeySchema: [{AttributeName: PK, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - {IndexName: byTime, KeySchema: [{AttributeName: at, KeyType: HASH}], Projection: {ProjectionType: KEYS_ONLY}}
      TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}
  OnlyInProduction:
    Type: AWS::Serverless::Function
    Condition: IsProduction
    Properties: {CodeUri: functions/only/}
  MakeFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: ./functions/things-make/
      MemorySize: 256
      Environment:
        Variables:
          STAGE: !If [IsProduction, live, !Sub "${Stage}-test"]
          MAYBE: !If [Both, "yes", !Ref AWS::NoValue]
          LITERAL: !Sub ["${Who} keeps ${!This}", {Who: !GetAtt Table.Arn}]
      Policies:
        - Statement:
            - Sid: Items
              Effect: Allow
              Action: [dynamodb:Get*, dynamodb:PutItem]
              Resource: !GetAtt Table.Arn
              Condition: {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["T#*"]}}
      Events:
        Make: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: /things}}
        Open: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/things/{id}", Auth: {Authorizer: NONE}}}
        Tick: {Type: Schedule, Properties: {Schedule: rate(15 minutes), Enabled: false}}
`

func TestParse(t *testing.T) {
	t.Parallel()

	t.Run("functions carry the globals under their own properties", func(t *testing.T) {
		t.Parallel()
		got := mustParse(t, small, sam.Options{})
		if len(got.Functions) != 1 {
			t.Fatalf("functions are %+v, want the one whose condition holds", got.Functions)
		}
		f := *got.Function("things-make")
		f.Statements = nil
		want := sam.Function{
			LogicalID: "MakeFunction", Name: "things-make", Dir: "functions/things-make",
			Runtime: "provided.al2023", Handler: "bootstrap", Architecture: "arm64",
			Timeout: 9 * time.Second, MemoryMB: 256,
			Environment: map[string]string{
				"TABLE": "things-dev", "STAGE": "dev-test",
				"LITERAL": "arn:aws:dynamodb:eu-central-1:000000000000:table/things-dev keeps ${This}",
			},
		}
		if !reflect.DeepEqual(f, want) {
			t.Errorf("got  %+v\nwant %+v", f, want)
		}
	})

	t.Run("routes carry their authorizer and their limits", func(t *testing.T) {
		t.Parallel()
		got := mustParse(t, small, sam.Options{})
		want := []sam.Route{
			{
				Method: "POST", Path: "/things", Function: "things-make", RatePerSecond: 7, Burst: 8,
				Authorizer: &sam.Authorizer{Name: "Jwt", Issuer: "https://dev.example.com", Audience: []string{"a", "b"}},
			},
			{Method: "GET", Path: "/things/{id}", Function: "things-make", RatePerSecond: 100, Burst: 200},
		}
		if !reflect.DeepEqual(got.Routes, want) {
			t.Errorf("got  %+v\nwant %+v", got.Routes, want)
		}
	})

	t.Run("schedules and tables are read", func(t *testing.T) {
		t.Parallel()
		got := mustParse(t, small, sam.Options{})
		wantSchedules := []sam.Schedule{{Name: "Tick", Function: "things-make", Expression: "rate(15 minutes)", Every: 15 * time.Minute}}
		if !reflect.DeepEqual(got.Schedules, wantSchedules) {
			t.Errorf("schedules are %+v", got.Schedules)
		}
		wantTable := sam.Table{
			LogicalID: "Table", Name: "things-dev", Attributes: map[string]string{"PK": "S", "at": "N"},
			Key: sam.KeySchema{Hash: "PK"}, TTLAttribute: "ttl",
			Indexes: []sam.Index{{Name: "byTime", Key: sam.KeySchema{Hash: "at"}, Projection: "KEYS_ONLY"}},
		}
		if !reflect.DeepEqual(*got.Table("Table"), wantTable) {
			t.Errorf("table is %+v", got.Tables)
		}
	})

	t.Run("options decide conditions, references and attributes", func(t *testing.T) {
		t.Parallel()
		got := mustParse(t, small, sam.Options{
			Parameters: map[string]string{"Stage": "production"},
			Resources:  map[string]string{"Table": "mine"},
			Attributes: map[string]string{"Table.Arn": "arn:mine"},
		})
		if got.Function("only") == nil {
			t.Error("the function whose condition now holds is missing")
		}
		env := got.Function("things-make").Environment
		if env["STAGE"] != "live" || env["TABLE"] != "mine" || env["LITERAL"] != "arn:mine keeps ${This}" {
			t.Errorf("environment is %v", env)
		}
	})

	t.Run("a role allows what its statements say and no more", func(t *testing.T) {
		t.Parallel()
		f := mustParse(t, small, sam.Options{}).Function("things-make")
		table := "arn:aws:dynamodb:eu-central-1:000000000000:table/things-dev"
		keys := func(k string) map[string][]string { return map[string][]string{"dynamodb:LeadingKeys": {k}} }
		for _, c := range []struct {
			access sam.Access
			want   bool
		}{
			{sam.Access{Action: "dynamodb:GetItem", Resource: table, Context: keys("T#acme")}, true},
			{sam.Access{Action: "dynamodb:GetItem", Resource: table}, true},
			{sam.Access{Action: "dynamodb:GetItem", Resource: table, Context: keys("other")}, false},
			{sam.Access{Action: "dynamodb:DeleteItem", Resource: table}, false},
			{sam.Access{Action: "dynamodb:GetItem", Resource: table + "/index/byTime"}, false},
		} {
			if got := f.Allows(c.access); got != c.want {
				t.Errorf("Allows(%+v) = %v", c.access, got)
			}
		}
	})
}

// Whatever can't be resolved is an error that names its place.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"a function it does not know": {"!Ref Stage}", "!ImportValue x}", "Globals.Function.Environment.Variables.STAGE.!ImportValue"},
		"a resource nobody declared":  {"TABLE: !Ref Table", "TABLE: !Ref Tabel", `no parameter or resource "Tabel"`},
		"an unknown attribute":        {"!GetAtt Table.Arn}]", "!GetAtt Table.StreamArn}]", "Table.StreamArn is not known"},
		"an unknown authorizer":       {"Authorizer: NONE", "Authorizer: Jwd", `MakeFunction.Events.Open.Auth.Authorizer: there is no authorizer "Jwd"`},
		"an API that is not there":    {"ApiId: !Ref Api, Method: post", "ApiId: !Ref Apu, Method: post", "Events.Make.ApiId"},
		"the implicit API":            {"ApiId: !Ref Api, Method: post", "Method: post", "names no ApiId"},
		"a cron schedule":             {"rate(15 minutes)", "\"cron(0 9 * * ? *)\"", "only rate(n unit)"},
		"a schedule that never comes": {"rate(15 minutes)", "rate(0 minutes)", "bad rate"},
		"a key without a type":        {"{AttributeName: at, AttributeType: N}", "{AttributeName: other, AttributeType: N}", `attribute "at" has no definition`},
		"a condition nobody declared": {"!If [Both,", "!If [Bath,", `no condition "Bath"`},
		"a parameter without a value": {"Default: dev", "Description: none", "Parameters.Stage: has no default"},
		"an explicit denial":          {"Effect: Allow", "Effect: Deny", "must allow actions"},
		"an operator it can't judge":  {"ForAllValues:StringLike", "NotIpAddress", "NotIpAddress is not supported"},
		"an event of another kind":    {"Type: Schedule,", "Type: SQS,", "events of type SQS"},
		"a number that is none":       {"MemorySize: 256", "MemorySize: lots", "MemorySize: must be an integer"},
		"a condition on itself":       {"Stage, production]", "Stage, !If [IsProduction, a, b]]", "refers to itself"},
		"a YAML alias":                {"{Type: String, Default: dev}", "&s {Type: String, Default: *s}", "aliases"},
		"an empty text":               {small, "", "one mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(small, c.old, c.new, 1)
			if text == small {
				t.Fatalf("the sample has no %q", c.old)
			}
			_, err := sam.Parse([]byte(text), sam.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
	t.Run("a parameter the template does not have", func(t *testing.T) {
		t.Parallel()
		_, err := sam.Parse([]byte(small), sam.Options{Parameters: map[string]string{"Sage": "x"}})
		if err == nil || !strings.Contains(err.Error(), `"Sage"`) {
			t.Errorf("error is %v", err)
		}
	})
}

// FuzzParse looks for templates that crash the reader.
func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add("Resources: {A: {Type: AWS::DynamoDB::Table}}")
	f.Add("Conditions: {A: !Not [!Condition A]}\nResources: {B: {Type: x, Condition: A}}")
	f.Add("Resources: {T: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Ref T}}}")
	f.Add("Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: !Sub [a, b]}}}")
	f.Fuzz(func(t *testing.T, text string) {
		template, err := sam.Parse([]byte(text), sam.Options{})
		if (template == nil) == (err == nil) {
			t.Errorf("template %v with error %v", template, err)
		}
	})
}

func mustParse(t *testing.T, text string, o sam.Options) *sam.Template {
	t.Helper()
	got, err := sam.Parse([]byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
