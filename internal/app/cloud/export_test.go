package cloud

// These are for tests.
var (
	RememberCatalogue = rememberCatalogue
	RememberImages    = rememberImages
)
