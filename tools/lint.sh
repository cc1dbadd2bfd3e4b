#!/usr/bin/env bash
# Why this exists: every rule about the text of the program, each one line, in one place. Called by
# ./dev lint, which has installed the tools. Ends with "N passed, N failed"; exit 1 when any failed.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
cores=$(nproc)
passed=0
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# check NAME COMMAND...: one line, and the command's output only when it failed.
check() {
    local name=$1 begin=$SECONDS
    shift
    if "$@" >"$output" 2>&1 </dev/null; then
        passed=$((passed + 1))
        printf 'ok    %s (%d s)\n' "$name" $((SECONDS - begin))
    else
        failed=$((failed + 1))
        printf 'FAIL  %s (%d s)\n' "$name" $((SECONDS - begin))
        sed 's/^/      /' "$output"
    fi
}

files() { find "$@" -type f -not -path '*/build/*' -not -path '*/.cache/*' -print0; }

format() {
    files src tests benches \( -name '*.cpp' -o -name '*.hpp' \) | sort -z |
        xargs -0 -r clang-format-14 --dry-run --Werror
}

shell_scripts() {
    printf '%s\0' dev .ci/run
    files tools backup/scripts tests benches -name '*.sh'
}

shell() {
    shell_scripts | xargs -0 -n1 bash -n && shell_scripts | xargs -0 shellcheck -x
}

python_compiles() {
    files tools tests benches -name '*.py' |
        xargs -0 -r python3 -c 'import sys; [compile(open(f, "rb").read(), f, "exec") for f in sys.argv[1:]]'
}

tidy() {
    mkdir -p build/tidy && cmake --preset tidy && python3 -B tools/tidy.py build/tidy "$cores"
}

check "clang-format: C++ is formatted" format
check "the checkers find what they should" python3 -B tools/checkers_test.py
check "rooms: includes go only downwards" python3 -B tools/check_includes.py
check "text: finished, and of no machine" python3 -B tools/check_text.py
check "shell: bash -n, shellcheck" shell
check "Python: compiles" python_compiles
check "clang-tidy, and clang's warnings, -Wthread-safety: nothing found" tidy

echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
