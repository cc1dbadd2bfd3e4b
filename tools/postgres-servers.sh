#!/usr/bin/env bash
# Why this exists: the engine speaks to PostgreSQL 15 to 18 (and must refuse 14), and Debian has one
# of them. Usage: postgres-servers.sh CACHE_FOLDER. Afterwards CACHE_FOLDER/postgres/<major>/bin
# holds initdb, pg_ctl and postgres of every version in postgres-servers.txt, readable by all.
# Nothing of a package is run; its bytes must have the digest that the list states.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
list=$here/postgres-servers.txt
folder=${1:?usage: postgres-servers.sh CACHE_FOLDER}/postgres

digest_of() {
    echo "sha512-$(openssl dgst -sha512 -binary "$1" | base64 -w0)"
}

# The links are not in the package; they are listed in it, for a script of npm's that is not run.
make_links() {
    python3 - "$1" <<'PYTHON'
import json, os, sys
root = sys.argv[1]
listing = os.path.join(root, "pg-symlinks.json")
for link in json.load(open(listing)) if os.path.exists(listing) else []:
    source, target = (os.path.normpath(link[end]) for end in ("source", "target"))
    if not (source.startswith("native/lib/") and target.startswith("native/lib/")):
        sys.exit(f"unexpected link {target} -> {source}")
    path = os.path.join(root, os.path.relpath(target, "native"))
    if not os.path.lexists(path):
        os.symlink(os.path.relpath(source, os.path.dirname(target)), path)
PYTHON
}

install_one() {
    local major=$1 package=$2 digest=$3 target=$folder/$1 work file
    [[ -e $target/.digest && $(cat "$target/.digest") == "$digest" ]] && return 0
    if [[ $(uname -sm) != "Linux x86_64" ]]; then
        echo "PostgreSQL $major: $package is for Linux on x86_64 only, this is $(uname -sm)" >&2
        return 1
    fi
    echo "fetching PostgreSQL $major: $package" >&2
    work=$(mktemp -d "$folder/.fetch.XXXXXX")
    if ! (cd "$work" && npm pack --silent --loglevel=error "$package" >/dev/null); then
        echo "PostgreSQL $major: npm could not fetch $package" >&2
        rm -rf "$work"
        return 1
    fi
    file=$(echo "$work"/*.tgz)
    if [[ $(digest_of "$file") != "$digest" ]]; then
        echo "PostgreSQL $major: $package is not what postgres-servers.txt says: $(digest_of "$file")" >&2
        rm -rf "$work"
        return 1
    fi
    mkdir "$work/server"
    tar xzf "$file" -C "$work/server" --strip-components=2 --no-same-owner package/native
    make_links "$work/server"
    chmod -R a+rX,go-w "$work/server"
    echo "$digest" >"$work/server/.digest"
    rm -rf "$target"
    mv "$work/server" "$target"
    rm -rf "$work"
}

mkdir -p "$folder"
chmod a+rx "$folder"
while read -r major package digest; do
    [[ -z $major || $major == \#* ]] || install_one "$major" "$package" "$digest" </dev/null
done <"$list"
