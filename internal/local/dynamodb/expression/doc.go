// Package expression reads and evaluates DynamoDB's expressions: conditions
// and filters, key conditions, updates and projections. What DynamoDB would
// refuse is an *attribute.InvalidError, and so is what is not offered here:
// no expression is ever evaluated in part.
package expression
