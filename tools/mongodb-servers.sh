#!/usr/bin/env bash
# Why this exists: no mongod can be had from Debian, so the MongoDB engine is proved on two servers that
# speak its protocol, one written in Python and one in Rust, and compared with MongoDB's own tools.
# Usage: mongodb-servers.sh CACHE_FOLDER. Afterwards CACHE_FOLDER/mongodb holds python/bin/secantusd-py,
# rust/bin/secantusd-rs and tools/{mongodump,mongorestore,bsondump}, each made again only when what
# pins it has changed. The Rust server takes 4 minutes on two cores, once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: mongodb-servers.sh CACHE_FOLDER}/mongodb
# Where the languages' own installers put themselves, for a shell that has not read a profile.
PATH=$PATH:/usr/local/go/bin:$HOME/.cargo/bin

pinned() { awk -v kind="$1" '$1 == kind { print $2, $3 }' "$here/mongodb-servers.txt"; }

# is_current PLACE STAMP: whether PLACE was made from exactly this.
is_current() { [[ -e $1/.stamp && $(cat "$1/.stamp") == "$2" ]]; }

digest_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

install_python_server() {
    local target=$folder/python list=$here/mongodb-servers.python.txt stamp
    stamp=$(digest_of "$list")
    is_current "$target" "$stamp" && return 0
    echo "fetching secantusd-py" >&2
    rm -rf "$target"
    /usr/bin/python3 -m venv "$target" >&2
    "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$list" >&2
    echo "$stamp" >"$target/.stamp"
}

install_rust_server() {
    local target=$folder/rust stamp crate version
    stamp=$(pinned rust)
    is_current "$target" "$stamp" && return 0
    read -r crate version <<<"$stamp"
    echo "building $crate $version: some minutes, once" >&2
    rm -rf "$target"
    # It asks for a newer Rust than it needs, and for an optimisation across crates that costs as long again.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 nice cargo install --quiet "$crate" --version "$version" --ignore-rust-version --root "$target" >&2
    echo "$stamp" >"$target/.stamp"
}

# Prints a Go that can build go.mod: the machine's, or the pinned one, fetched as a module by an old one.
usable_go() {
    local version digest minor found
    read -r version digest <<<"$(pinned go)"
    minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    if [[ $minor -ge $(cut -d. -f2 <<<"$version") ]]; then
        command -v go
        return 0
    fi
    echo "fetching Go $version" >&2
    found=$(cd / && go mod download -json "golang.org/toolchain@v0.0.1-go$version.linux-amd64")
    if [[ $(sed -n 's/.*"Sum": "\(.*\)".*/\1/p' <<<"$found") != "$digest" ]]; then
        echo "Go $version is not what mongodb-servers.txt says: $found" >&2
        return 1
    fi
    found=$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$found")
    # The module's archive keeps no rights.
    chmod -R u+w "$found"
    chmod -R +x "$found/bin" "$found/pkg/tool"
    echo "$found/bin/go"
}

install_tools() {
    local target=$folder/tools source=$here/mongo-tools stamp go name
    stamp=$(digest_of "$source/go.mod" "$source/go.sum")
    is_current "$target" "$stamp" && return 0
    echo "building mongodump, mongorestore and bsondump" >&2
    go=$(usable_go)
    rm -rf "$target"
    mkdir -p "$target"
    for name in mongodump mongorestore bsondump; do
        (cd "$source" && env -u GOROOT GOFLAGS=-mod=readonly "$go" build -trimpath -buildvcs=false \
            -o "$target/$name" "github.com/mongodb/mongo-tools/$name/main") >&2
    done
    echo "$stamp" >"$target/.stamp"
}

mkdir -p "$folder"
install_python_server </dev/null
install_tools </dev/null
install_rust_server </dev/null
