#!/usr/bin/env bash
# Why this exists: no mongod can be had from Debian, so the MongoDB engine is proved on two servers that
# speak its protocol, one written in Python and one in Rust, and compared with MongoDB's own tools.
# Usage: mongodb-servers.sh CACHE_FOLDER. Afterwards CACHE_FOLDER/mongodb holds python/bin/secantusd-py,
# rust/bin/secantusd-rs and tools/{mongodump,mongorestore,bsondump}, each made again only when what
# pins it has changed. The Rust server takes 4 minutes on two cores, once.
set -euo pipefail

folder=${1:?usage: mongodb-servers.sh CACHE_FOLDER}/mongodb
# shellcheck source=tools/pinned.sh
. "$(dirname "${BASH_SOURCE[0]}")/pinned.sh"

install_rust_server() {
    local target=$folder/rust stamp crate version
    stamp=$(awk '$1 == "rust" { print $2, $3 }' "$tools/mongodb-servers.txt")
    is_current "$target" "$stamp" && return 0
    read -r crate version <<<"$stamp"
    echo "building $crate $version: some minutes, once" >&2
    rm -rf "$target"
    # It asks for a newer Rust than it needs, and for an optimisation across crates that costs as long again.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 nice cargo install --quiet "$crate" --version "$version" --ignore-rust-version --root "$target" >&2
    echo "$stamp" >"$target/.stamp"
}

tool() { echo "$1=github.com/mongodb/mongo-tools/$1/main"; }

mkdir -p "$folder"
install_python "$folder/python" "$tools/mongodb-servers.python.txt" secantusd-py </dev/null
install_go "$folder/tools" "$tools/mongo-tools" "$(tool mongodump)" "$(tool mongorestore)" "$(tool bsondump)" </dev/null
install_rust_server </dev/null
