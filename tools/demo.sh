#!/usr/bin/env bash
# Why this exists: the product shown in a minute, on real parts, through the scripts that users call
# (./dev demo builds the program first). A throw-away PostgreSQL gets auth data; it is backed up, encrypted; the database
# is destroyed; it is restored; every row is compared. Exit 1 when anything differs. All that it makes
# lies in one temporary folder, which it removes.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts=backup/scripts
begin=$SECONDS

# Settings of whoever runs this must not leak into it.
for name in $(compgen -e | grep -E '^(BACKUP_|ENCRYPTION_|COMPRESSION_|DATABASE_|POSTGRES|MONGODB_|PG|CONFIG_PATHS|CERTIFICATE_PATHS|LOG_|ENVIRONMENT_NAMES)'); do
    unset "$name"
done

demo=$(mktemp -d /tmp/asb-demo.XXXXXX) # short: a socket's path has at most 107 bytes
chmod 755 "$demo"

step=0
heading() {
    step=$((step + 1))
    printf '\n%d. %s\n' "$step" "$*"
}
line() { printf '   %s\n' "$*"; }
indent() { sed 's/^/   /'; }
broken() {
    printf '\nDEMO FAILED: %s\n' "$*" >&2
    exit 1
}
# shown COMMAND...: prints the command as typed, runs it, indents what it says.
shown() {
    line "\$ $*"
    "$@" 2>&1 | indent || broken "$* ended with an error"
}

bin=
for folder in /usr/lib/postgresql/15/bin "$(pg_config --bindir 2>/dev/null || :)" \
    "$(dirname "$(command -v initdb || echo /)")"; do
    if [[ -x $folder/initdb && -x $folder/pg_ctl && -x $folder/psql ]]; then
        bin=$folder
        break
    fi
done
[[ -n $bin ]] || broken "no PostgreSQL server (initdb, pg_ctl, psql) was found"

# A server refuses to run as root.
as_server() {
    if [[ $(id -u) == 0 ]]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

stop_and_remove() {
    local status=$?
    trap - EXIT
    if [[ -e $demo/server/data/postmaster.pid ]]; then
        as_server "$bin/pg_ctl" -D "$demo/server/data" -m immediate -w stop >/dev/null 2>&1 || :
    fi
    rm -rf "$demo"
    exit "$status"
}
trap stop_and_remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

admin() { PGPASSFILE=$demo/pgpass "$bin/psql" -X -q -v ON_ERROR_STOP=1 -At -h "$demo/server" -U postgres "$@"; }

start_server() {
    mkdir "$demo/server"
    if [[ $(id -u) == 0 ]]; then chown postgres "$demo/server"; fi
    (umask 077 && openssl rand -hex 16 >"$demo/admin.password" && openssl rand -hex 16 >"$demo/backup.password")
    admin_password=$(<"$demo/admin.password")
    backup_password=$(<"$demo/backup.password")
    (umask 077 && echo "*:*:*:postgres:$admin_password" >"$demo/pgpass")
    cp "$demo/admin.password" "$demo/server/password"
    if [[ $(id -u) == 0 ]]; then chown postgres "$demo/server/password"; fi
    as_server env LC_ALL=C.UTF-8 "$bin/initdb" -D "$demo/server/data" -U postgres -E UTF8 -A scram-sha-256 \
        --pwfile="$demo/server/password" --data-checksums --no-sync >/dev/null
    as_server "$bin/pg_ctl" -D "$demo/server/data" -l "$demo/server/log" -w -s \
        -o "-k $demo/server -c listen_addresses=''" start || broken "PostgreSQL did not start: $(cat "$demo/server/log")"
    line "$(admin -d postgres -c 'SELECT version()' | cut -d' ' -f1-2), on a unix socket, passwords by SCRAM"
}

fill_database() {
    admin -d postgres -c "CREATE DATABASE auth_service"
    admin -d auth_service -f tools/demo.sql
    # Standard input, so that no argument of any process holds the password.
    admin -d postgres <<SQL
CREATE ROLE backup LOGIN REPLICATION PASSWORD '$backup_password';
SQL
}

tables="users credentials sessions refresh_tokens audit_events"

# One line a table: name, number of rows, md5 over all rows in order; then what is beside the rows.
fingerprint() {
    local table
    for table in $tables; do
        admin -d auth_service -F ' ' -c \
            "SELECT '$table', count(*), md5(string_agg(t::text, E'\n' ORDER BY id)) FROM $table t"
    done
    admin -d auth_service -F ' ' -c "SELECT 'sequences', count(*), md5(string_agg(s::text, E'\n' ORDER BY sequencename))
        FROM (SELECT sequencename, last_value FROM pg_sequences) s"
    admin -d auth_service -F ' ' -c "SELECT 'indexes', count(*), md5(string_agg(indexdef, E'\n' ORDER BY indexname))
        FROM pg_indexes WHERE schemaname = 'public'"
    admin -d auth_service -F ' ' -c "SELECT 'constraints', count(*), md5(string_agg(pg_get_constraintdef(oid), E'\n' ORDER BY conname))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
}

database_exists() { [[ $(admin -d postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'auth_service'") == 1 ]]; }

echo "auth-service-backup: back up, destroy, restore. Everything happens in $demo and is removed at the end."

heading "A PostgreSQL server with the data of an auth service"
start_server
fill_database
fingerprint >"$demo/before"
awk '{printf "   %-16s %8d\n", $1, $2}' "$demo/before"
rows=$(awk '/^(sequences|indexes|constraints) /{next} {sum += $2} END {print sum}' "$demo/before")
line "$rows rows, $(admin -d auth_service -c "SELECT pg_size_pretty(pg_database_size('auth_service'))")"

heading "A full backup: as role \"backup\" (LOGIN REPLICATION, no more), key in a file that only you can read"
(umask 077 && openssl rand -hex 32 >"$demo/key")
mkdir -p "$demo/app" "$demo/log"
echo "session_lifetime_minutes: 30" >"$demo/app/auth-service.yaml"
cat >"$demo/backup.conf" <<CONF
DATABASE_TYPE="postgresql"
BACKUP_DIR="$demo/backups"
BACKUP_ENCRYPTION_KEY_FILE="$demo/key"
CONFIG_PATHS="$demo/app"
LOG_DIR="$demo/log"
CONF
indent <"$demo/backup.conf"
line "DATABASE_URL: in the environment, since it holds the password"
export BACKUP_CONFIG_FILE=$demo/backup.conf
export DATABASE_URL="postgresql://backup:$backup_password@/auth_service?host=$demo/server"
shown $scripts/backup.sh --type full

heading "What is in the repository"
shown $scripts/restore.sh --list
archive=$(find "$demo/backups" -name '*.tar.gz.enc')
[[ -f $archive ]] || broken "expected one archive, found: ${archive:-none}"
if grep -q -a 'example\.org' "$archive"; then broken "the archive holds readable e-mail addresses"; fi
line "$(stat -c '%s bytes, mode %a' "$archive"), and no e-mail address can be read in it"

heading "Is it whole? Every digest, the MAC, decryption, every entry, to the last byte"
shown $scripts/restore.sh --verify "$archive"

heading "Stock tools open it too: openssl and tar, should this program ever be missing"
openssl enc -d -aes-256-cbc -pbkdf2 -iter 10000 -md sha256 -pass "file:$demo/key" -in "$archive" | tar tz >"$demo/names" ||
    broken "openssl and tar cannot read the archive"
grep -q '^postgresql/base/PG_VERSION$' "$demo/names" || broken "the archive holds no data directory"
line "openssl enc -d | tar tz: $(wc -l <"$demo/names") names, among them postgresql/base/PG_VERSION"

heading "Disaster: the database is dropped"
admin -d postgres -c "DROP DATABASE auth_service WITH (FORCE)"
if database_exists; then broken "the database is still there"; fi
line "DROP DATABASE auth_service: gone"

heading "The restore, as the server's superuser"
export DATABASE_URL="postgresql://postgres:$admin_password@/auth_service?host=$demo/server"
shown $scripts/restore.sh --backup-file "$archive"

heading "Is every row back?"
database_exists || broken "the database is not there after the restore"
fingerprint >"$demo/after"
join -a 1 "$demo/before" "$demo/after" | awk '{
    same = $2 == $4 && $3 == $5
    printf "   %-16s %8d before %8d after   md5 %.8s… %.8s…  %s\n", $1, $2, $4, $3, $5, same ? "same" : "DIFFERENT"
}'
cmp -s "$demo/before" "$demo/after" || broken "the restored database differs from the one that was backed up"

printf '\nAll %d rows are back, byte for byte, with their sequences, indexes and constraints (%d s).\n' "$rows" $((SECONDS - begin))
