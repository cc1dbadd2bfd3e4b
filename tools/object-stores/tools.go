//go:build tools

// Why this exists: it keeps the object stores that the tests run against in go.mod, so that `go build`
// makes exactly these versions of them and no others.
package tools

import (
	_ "github.com/fsouza/fake-gcs-server"
	_ "github.com/minio/minio"
)
