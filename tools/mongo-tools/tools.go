//go:build tools

// Why this exists: it keeps the programs that the tests compare with in go.mod, so that `go build`
// makes exactly these versions of them and no others.
package tools

import (
	_ "github.com/mongodb/mongo-tools/bsondump/main"
	_ "github.com/mongodb/mongo-tools/mongodump/main"
	_ "github.com/mongodb/mongo-tools/mongorestore/main"
)
