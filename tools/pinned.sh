# Why this exists: what tests need and Debian does not have is made once, from exactly what a list pins,
# and made again only when that changes. Sourced by tools/*-servers.sh and tools/object-stores.sh.
# shellcheck shell=bash

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Where the languages' own installers put themselves, for a shell that has not read a profile.
PATH=$PATH:/usr/local/go/bin:$HOME/.cargo/bin

# is_current PLACE STAMP: whether PLACE was made from exactly this.
is_current() { [[ -e $1/.stamp && $(cat "$1/.stamp") == "$2" ]]; }

digest_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# install_python PLACE LIST NAME: a virtual environment with what LIST holds.
install_python() {
    local target=$1 list=$2 stamp
    stamp=$(digest_of "$list")
    is_current "$target" "$stamp" && return 0
    echo "fetching $3" >&2
    rm -rf "$target"
    /usr/bin/python3 -m venv "$target" >&2
    "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$list" >&2
    echo "$stamp" >"$target/.stamp"
}

# Prints a Go that can build every go.mod here: the machine's, or the pinned one, fetched as a module by
# an old one.
usable_go() {
    local version digest minor found
    read -r version digest < <(awk '$1 == "go" { print $2, $3 }' "$tools/pinned.txt")
    minor=$(cd / && go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    if [[ $minor -ge $(cut -d. -f2 <<<"$version") ]]; then
        command -v go
        return 0
    fi
    echo "fetching Go $version" >&2
    found=$(cd / && go mod download -json "golang.org/toolchain@v0.0.1-go$version.linux-amd64")
    if [[ $(sed -n 's/.*"Sum": "\(.*\)".*/\1/p' <<<"$found") != "$digest" ]]; then
        echo "Go $version is not what pinned.txt says: $found" >&2
        return 1
    fi
    found=$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$found")
    # The module's archive keeps no rights.
    chmod -R u+w "$found"
    chmod -R +x "$found/bin" "$found/pkg/tool"
    echo "$found/bin/go"
}

# install_go PLACE MODULE PACKAGE...: programs that the go.mod in folder MODULE pins and its go.sum proves,
# each named NAME=PACKAGE. Built with the flags in go_flags.
go_flags=()
install_go() {
    local target=$1 source=$2 stamp go program
    shift 2
    stamp=$(digest_of "$source/go.mod" "$source/go.sum")
    is_current "$target" "$stamp" && return 0
    echo "building ${*%%=*}" >&2
    go=$(usable_go)
    rm -rf "$target"
    mkdir -p "$target"
    for program in "$@"; do
        (cd "$source" && env -u GOROOT GOFLAGS=-mod=readonly "$go" build -trimpath -buildvcs=false \
            "${go_flags[@]}" -o "$target/${program%%=*}" "${program#*=}") >&2
    done
    echo "$stamp" >"$target/.stamp"
}
