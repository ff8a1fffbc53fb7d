// Package sweep holds the scheduled functions that find overdue or ownerless
// things. A sweep lists, compares and acts; each item is handled alone, so that
// one that fails, or panics, does not keep the ones behind it waiting.
package sweep
