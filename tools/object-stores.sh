#!/usr/bin/env bash
# Why this exists: the stores are proved on real servers of their protocols: MinIO, which checks every
# signature, keeps versions and refuses to delete what is locked; moto, which knows S3's storage classes;
# and fake-gcs-server. Usage: object-stores.sh CACHE_FOLDER. Afterwards CACHE_FOLDER/object-stores holds
# servers/{minio,fake-gcs-server} and moto/bin/moto_one_by_one, each made again only when what pins it
# (object-stores/go.mod and go.sum, object-stores.python.txt) has changed. MinIO takes 2 minutes on
# two cores, once.
set -euo pipefail

folder=${1:?usage: object-stores.sh CACHE_FOLDER}/object-stores
# shellcheck source=tools/pinned.sh
. "$(dirname "${BASH_SOURCE[0]}")/pinned.sh"

# A third of the compiler's work goes into inlining, symbols for debuggers and its own collector. What the
# servers spend their time in (checksums, hashes, the kernel) is not made slower by their lack.
go_flags=(-ldflags='-s -w' -gcflags='all=-l -dwarf=false')
export CGO_ENABLED=0 GOGC=400

mkdir -p "$folder"
install_python "$folder/moto" "$tools/object-stores.python.txt" moto_server </dev/null
cp "$tools/object-stores/moto_one_by_one.py" "$folder/moto/bin/"
# shellcheck disable=SC2016  # it is that file's own place that counts
printf '#!/bin/sh\nexec "${0%%/*}/python" "${0%%/*}/moto_one_by_one.py" "$@"\n' >"$folder/moto/bin/moto_one_by_one"
chmod +x "$folder/moto/bin/moto_one_by_one"
install_go "$folder/servers" "$tools/object-stores" minio=github.com/minio/minio \
    fake-gcs-server=github.com/fsouza/fake-gcs-server </dev/null
