package agent

// ComesBack is for tests.
var ComesBack = comesBack
