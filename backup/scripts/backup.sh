#!/bin/sh
# Why this exists: the name that operators type. It makes a backup: backup.sh --type full|config.
# It finds the program and becomes it; every setting, option and message is the program's own.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if link=$(readlink -f -- "$0" 2>/dev/null); then
    here=$(dirname -- "$link") # the place of the script itself, when it was called by a link
fi

# The program uses this to find config/backup.conf beside the scripts.
AUTH_SERVICE_BACKUP_SCRIPTS_DIR=$here
export AUTH_SERVICE_BACKUP_SCRIPTS_DIR

for program in \
    "$here/auth-service-backup" \
    "$here/../../bin/auth-service-backup" \
    "$here/../../build/release/auth-service-backup" \
    "$(command -v auth-service-backup || :)"; do
    if [ -f "$program" ] && [ -x "$program" ]; then
        exec "$program" backup "$@"
    fi
done

echo "backup.sh: auth-service-backup is neither beside this script, in bin/, in build/release/, nor on PATH" >&2
echo "hint: build it with ./dev build, or install it" >&2
exit 2
