package dynamodbtest

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func timeToLiveChecks() []check {
	return []check{
		{"it is off until it is on", func(f *fixture) {
			f.equal(f.timeToLive().TimeToLiveStatus, types.TimeToLiveStatusDisabled)
			f.must(f.setTimeToLive("expires", true))
			f.equal(f.timeToLive().TimeToLiveStatus, types.TimeToLiveStatusEnabled)
			f.equal(*f.timeToLive().AttributeName, "expires")
		}},
		{"what is expired stays readable for a while", func(f *fixture) {
			f.must(f.setTimeToLive("expires", true))
			f.put(keyed("a", "1", item{"expires": num("1")}))
			f.equal(len(f.get("a", "1")), 3)
		}},
		{"it can't be switched on twice", func(f *fixture) {
			f.must(f.setTimeToLive("expires", true))
			_, err := f.setTimeToLive("expires", true)
			f.invalid(err, "already enabled")
		}},
	}
}

func (f *fixture) timeToLive() *types.TimeToLiveDescription {
	f.Helper()
	out, err := f.Client.DescribeTimeToLive(f.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &f.table})
	f.must(out, err)
	return out.TimeToLiveDescription
}

func (f *fixture) setTimeToLive(attribute string, enabled bool) (*dynamodb.UpdateTimeToLiveOutput, error) {
	return f.Client.UpdateTimeToLive(f.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &f.table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: &enabled}})
}
