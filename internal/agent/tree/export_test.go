package tree

// TakeAt is Take by a clock that says now.
var TakeAt = takeAt
