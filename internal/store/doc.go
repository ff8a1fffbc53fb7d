// Package store is the one DynamoDB table behind dcm.Store.
//
// Every tenant's items are reached through Tenant: the keys are built in one
// file, keys.go, and nothing outside this package ever sees one. The table's
// shape is one Go value, TableSchema, from which the local stack makes the
// table and against which a test compares template.yaml.
//
// What may be retried is retried here or in the SDK; what came out differently
// than asked is a documented error of the port. The SDK's own words never reach
// a dcm.Error's message.
package store
