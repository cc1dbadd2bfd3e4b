# Why this exists: a bare machine becomes a working one, and a working one is left alone. Sourced by
# ./dev and tools/*.sh. A package is installed only when the very command or file that is needed
# from it is missing.
# shellcheck shell=bash

# group: one "what is needed | Debian package that has it" a line. What is needed is a command, or a
# path pattern (it holds a slash; relative ones are looked for in the include folders).
packages_of() {
    case "$1" in
        build) cat <<'LIST'
g++|g++
cmake|cmake
ninja|ninja-build
pkg-config|pkg-config
ccache|ccache
isa-l/igzip_lib.h|libisal-dev
fmt/format.h|libfmt-dev
nlohmann/json.hpp|nlohmann-json3-dev
CLI/CLI.hpp|libcli11-dev
gtest/gtest.h|libgtest-dev
gmock/gmock.h|libgmock-dev
postgresql/libpq-fe.h|libpq-dev
libmongoc-1.0/mongoc/mongoc.h|libmongoc-dev
unicode/usprep.h|libicu-dev
curl/curl.h|libcurl4-openssl-dev
/usr/include/pugixml.hpp|libpugixml-dev
openssl/evp.h|libssl-dev
/usr/include/zlib.h|zlib1g-dev
LIST
            ;;
        server) cat <<'LIST'
/usr/lib/postgresql/15/bin/initdb|postgresql-15
/usr/lib/postgresql/15/bin/psql|postgresql-client-15
openssl|openssl
runuser|util-linux
LIST
            ;;
        clang) cat <<'LIST'
clang++-14|clang-14
/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.asan-*.a|libclang-rt-14-dev
llvm-symbolizer-14|llvm-14
LIST
            ;;
        lint) cat <<'LIST'
clang-format-14|clang-format-14
clang-tidy-14|clang-tidy-14
shellcheck|shellcheck
python3|python3
LIST
            ;;
        tests) cat <<'LIST'
python3|python3
/usr/lib/python3*/ensurepip/__init__.py|python3-venv
tar|tar
npm|npm
LIST
            ;;
        mongodb) cat <<'LIST'
cargo|cargo-web
go|golang-go
cmake|cmake
cc|gcc
LIST
            ;;
        object_stores) cat <<'LIST'
go|golang-go
rclone|rclone
LIST
            ;;
        coverage) echo "gcovr|gcovr" ;;
        bench) cat <<'LIST'
pgbackrest|pgbackrest
igzip|isal
zstd|zstd
LIST
            ;;
        *) echo "install.sh: no group of packages is called $1" >&2; return 2 ;;
    esac
}

# Whether the machine has it already. Go's and Rust's own installers tell only the shell's profile.
present() {
    local need=$1 folder
    case "$need" in
        /*) compgen -G "$need" >/dev/null ;;
        */*)
            for folder in /usr/include "/usr/include/$(uname -m)-linux-gnu" /usr/local/include; do
                [[ -e $folder/$need ]] && return 0
            done
            return 1
            ;;
        *) PATH=$PATH:/usr/local/go/bin:$HOME/.cargo/bin command -v "$need" >/dev/null ;;
    esac
}

as_root() {
    if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# Debian starts a server of its own as soon as the package is there; nothing here wants that one.
keep_debian_from_starting_a_cluster() {
    local file=/etc/postgresql-common/createcluster.conf
    [[ -e $file ]] && return 0
    echo "  $file: create_main_cluster = false" >&2
    as_root mkdir -p "${file%/*}"
    echo "create_main_cluster = false" | as_root tee "$file" >/dev/null
}

apt_updated=no

# need GROUP...: installs what is missing of these groups, in one apt-get call; says what.
need() {
    local group line missing=()
    for group in "$@"; do
        while IFS= read -r line; do
            present "${line%%|*}" || missing+=("${line##*|}")
        done < <(packages_of "$group")
    done
    [[ ${#missing[@]} == 0 ]] && return 0
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

    if ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]} (Debian's names); hint: install them and run this again" >&2
        return 1
    fi
    if [[ $(id -u) != 0 ]] && ! sudo -n true 2>/dev/null; then
        echo "missing: ${missing[*]}; hint: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
        return 1
    fi
    echo "installing: ${missing[*]}" >&2
    if [[ " ${missing[*]} " == *" postgresql-15 "* ]]; then keep_debian_from_starting_a_cluster; fi
    apt_get "${missing[@]}"
}

# Its chatter is shown only when it fails.
apt_get() {
    local log status=0
    log=$(mktemp)
    {
        if [[ $apt_updated == no ]]; then as_root apt-get -qq -o Acquire::Retries=3 update; fi &&
            as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
                apt-get -qq -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
                install --no-install-recommends "$@"
    } </dev/null >"$log" 2>&1 || status=$?
    if [[ $status != 0 ]]; then cat "$log" >&2; fi
    rm -f "$log"
    apt_updated=yes
    return "$status"
}
