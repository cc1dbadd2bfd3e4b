#include "repo/repository.hpp"

namespace asb {

// Every command stands on a line that begins with four spaces, and runs in a POSIX shell; a test
// does exactly that.
std::string recovery_note() {
    return R"NOTE(How to get the data back with stock tools: openssl (1.1.1 or newer), tar, gzip, and PostgreSQL or mongorestore.
You need no auth-service-backup for this. With it, `restore.sh --list` and `restore.sh --backup-file NAME` do all of it.

Objects of one backup, NAME being auth-service-backup-YYYYMMDD_HHMMSS (UTC):
  NAME.manifest.json   what the backup is; without it the backup was never finished
  NAME.index           SHA-256 of each 16 MiB of the body, and the sizes of its gzip members
  NAME.tar.gz.enc      the body (.tar.enc, .tar.gz, .tar: without compression, without encryption, without both)

A name whose manifest says "type":"incremental" is no backup to begin with: begin with the full one that its "parent", or the parent's
parent, leads to, and name those after it, oldest first, in INCREMENTAL.

Do all steps in one POSIX shell, as a user who is not root and will run the server (postgres) and who may read the
repository. The newest backup is the last one that `ls auth-service-backup-*.manifest.json` prints.

1. Say which backup, where it lies, where the data shall go (a folder that is not there yet), and, for an encrypted body,
   in which file the key is. Set these variables before, or change the lines. PG_OPTIONS may hold server options such
   as -p 5433.

    NAME=${NAME:-auth-service-backup-YYYYMMDD_HHMMSS}
    REPOSITORY=${REPOSITORY:-.}
    TARGET=${TARGET:-/var/tmp/restored}
    PG_OPTIONS=${PG_OPTIONS:-}
    export BACKUP_ENCRYPTION_KEY="${BACKUP_ENCRYPTION_KEY:-$(cat "${BACKUP_ENCRYPTION_KEY_FILE:-/dev/null}")}"
    cd "$REPOSITORY"
    BODY=$(ls "$NAME".tar*)

2. Check that manifest, index and body are what was written: these commands must print nothing. (That nobody has rewritten
   all three is proved only by the manifest's "mac"; docs/FORMAT.md says how to compute it.)

    [ "$(sed 's/"mac":"[0-9a-f]*",//; s/"manifest_sha256":"[0-9a-f]*",//' "$NAME.manifest.json" | tr -d '\n' | sha256sum | cut -d' ' -f1)" = "$(grep -o '"manifest_sha256":"[0-9a-f]*' "$NAME.manifest.json" | cut -d'"' -f4)" ] || echo "the manifest is damaged"
    echo "$(grep -o '"index_sha256":"[0-9a-f]*"' "$NAME.manifest.json" | cut -d'"' -f4)  $NAME.index" | sha256sum --check --quiet
    [ "$(split --bytes=16777216 --filter='sha256sum | cut -d" " -f1' "$BODY")" = "$(sed -n 's/^segment //p' "$NAME.index")" ] || echo "the body is damaged"

3. Decrypt, decompress and unpack.

    mkdir -p "$TARGET" && chmod 700 "$TARGET"
    ITERATIONS=$(grep -o '"iterations":[0-9]*' "$NAME.manifest.json" | cut -d: -f2)
    decrypt() { if [ -n "$ITERATIONS" ]; then openssl enc -d -aes-256-cbc -pbkdf2 -iter "$ITERATIONS" -md sha256 -pass env:BACKUP_ENCRYPTION_KEY -in "$BODY"; else cat "$BODY"; fi; }
    case "$BODY" in *.tar.gz*) decrypt | gzip -d | tar -x -C "$TARGET" ;; *) decrypt | tar -x -C "$TARGET" ;; esac

   "bad decrypt" means the wrong key. config/, certificates/ and logs/ are your files, below their old paths. A config
   backup ends here. A logical PostgreSQL backup (there is a folder postgresql/logical) goes on with step 6,
   one of MongoDB (a folder mongodb) with step 7.

4. PostgreSQL: give the data directory its WAL, make it private, and take away what would tie it to the old server. (A
   backup of a standby holds standby.signal.)

    mv "$TARGET"/postgresql/wal/* "$TARGET/postgresql/base/pg_wal/"
    chmod -R u=rwX,go= "$TARGET/postgresql"
    rm -f "$TARGET/postgresql/base/standby.signal" "$TARGET/postgresql/base/recovery.signal"

   Tablespaces: each line of tablespace_map is "OID PATH". Point each to its unpacked folder, never to a path that a
   running server uses. (Does nothing where there are none.)

    MAP=$TARGET/postgresql/base/tablespace_map
    if [ -s "$MAP" ]; then cut -d' ' -f1 "$MAP" | while read -r OID; do echo "$OID $(cd "$TARGET/postgresql/tablespaces/$OID" && pwd)"; done > "$TARGET/tablespace_map" && mv "$TARGET/tablespace_map" "$MAP"; fi

   Where the old server kept its settings elsewhere (Debian: /etc/postgresql), put postgresql.conf and pg_hba.conf into
   the data directory, or start from empty ones:

    for FILE in postgresql.conf pg_hba.conf pg_ident.conf; do [ -e "$TARGET/postgresql/base/$FILE" ] || touch "$TARGET/postgresql/base/$FILE"; done
    [ -s "$TARGET/postgresql/base/pg_hba.conf" ] || echo "local all all peer" > "$TARGET/postgresql/base/pg_hba.conf"

   Incremental backups (INCREMENTAL="NAME NAME ..."; does nothing without): their WAL, put together as segments. The server
   then replays all of it; recovery_target_time = '2024-01-15 14:30:00+01' in postgresql.auto.conf makes it stop earlier.

    for NAME in ${INCREMENTAL:-}; do
    BODY=$(ls "$NAME".tar*) ITERATIONS=$(grep -o '"iterations":[0-9]*' "$NAME.manifest.json" | cut -d: -f2)
    mkdir "$TARGET/$NAME" && case "$BODY" in *.tar.gz*) decrypt | gzip -d | tar -x -C "$TARGET/$NAME" ;; *) decrypt | tar -x -C "$TARGET/$NAME" ;; esac
    find "$TARGET/$NAME/postgresql/wal-ranges" -name '*.history' -exec cp {} "$TARGET/postgresql/base/pg_wal/" \;
    for PIECE in "$TARGET/$NAME"/postgresql/wal-ranges/????????????????????????*; do
    FILE=$(basename "$PIECE") SIZE=$(grep -o '"wal_segment_bytes":[0-9]*' "$NAME.manifest.json" | cut -d: -f2)
    case "$FILE" in *.*) OFFSET=$((0x${FILE#*.})) ;; *) OFFSET=0 ;; esac
    SEGMENT=$TARGET/postgresql/base/pg_wal/${FILE%%.*}
    [ -e "$SEGMENT" ] || [ "$OFFSET" = 0 ] || cp "$(ls "$TARGET"/postgresql/base/pg_wal/????????"${SEGMENT#"${SEGMENT%????????????????}"}" | tail -n 1)" "$SEGMENT"
    dd if="$PIECE" of="$SEGMENT" bs=1M oflag=seek_bytes seek="$OFFSET" conv=notrunc status=none && truncate -s "$SIZE" "$SEGMENT"
    done
    done
    if [ -n "${INCREMENTAL:-}" ]; then touch "$TARGET/postgresql/base/recovery.signal" && echo "restore_command = 'false'" >> "$TARGET/postgresql/base/postgresql.auto.conf"; fi

5. Start it with the programs of the same major version (postgresql/base/PG_VERSION). It replays its WAL and opens;
   with INCREMENTAL it answers before that, read-only: look at nothing before SELECT pg_is_in_recovery() says f.
   Archiving is off at this start: look at archive_command before you start it without that option, for it must not write
   into the archive of the old server.

    pg_ctl -D "$TARGET/postgresql/base" -l "$TARGET/postgresql/server.log" -o "$PG_OPTIONS -c archive_mode=off" -w start

6. A logical backup: dumps in pg_dump's own format, which go into any running server of the same or a newer version. Name it
   with PGHOST, PGPORT, PGUSER (a superuser) and PGPASSWORD. A role or database that is there already gives an error that
   does no harm; make the tablespaces named at the end of globals.sql beforehand, or add --no-tablespaces.

    psql --no-psqlrc --quiet --dbname=postgres --file="$TARGET/postgresql/logical/globals.sql"
    for FIRST in "$TARGET"/postgresql/logical/*.dump "$TARGET"/postgresql/logical/*.dump.000001; do if [ -e "$FIRST" ]; then cat "${FIRST%.000001}"* | pg_restore --create --dbname=postgres; fi; done

7. MongoDB: join the parts of large collections.

    find "$TARGET/mongodb" -name '*.bson.000001' | while read -r FIRST; do cat "${FIRST%.000001}".[0-9]* > "${FIRST%.000001}" && rm "${FIRST%.000001}".[0-9]*; done

8. Restore with mongorestore (MongoDB's database tools, 100.x) into an empty server. MONGODB_URL says where to; it goes
   through a file, since a command line is public. Without --oplogReplay the collections are of different moments.

    (umask 077 && echo "uri: $MONGODB_URL" > "$TARGET/mongorestore.yaml")
    mongorestore --config "$TARGET/mongorestore.yaml" ${MONGORESTORE_OPTIONS---oplogReplay} "$TARGET/mongodb"

   Incremental backups hold mongodb/oplog.bson (or its parts, joined as in step 7): unpack each as in step 3, and replay them in their
   order with mongorestore --oplogReplay --oplogFile; --oplogLimit stops earlier. A later full backup on the way holds
   mongodb/oplog-before.bson, which is replayed before its mongodb/oplog.bson.
)NOTE";
}

}  // namespace asb
