package cloud

// RememberCatalogue is for tests.
var RememberCatalogue = rememberCatalogue
