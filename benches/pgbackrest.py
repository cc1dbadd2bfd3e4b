"""Why this exists: two benches run pgBackRest's full backup, into a folder and into a bucket; but for where it goes it is the same."""


def command(config, server, level, passphrase, scratch, *repository):
    """Writes `config`; gives the command, up to its verb. `repository`: the lines that say where backups go; `scratch`: a folder of the
    server's user. Archiving is not what is measured, so it is off."""
    config.write_text("\n".join(["[global]", *repository, f"""repo1-cipher-type=aes-256-cbc
repo1-cipher-pass={passphrase}
repo1-retention-full=1
process-max=2
compress-type=zst
compress-level={level}
start-fast=y
archive-check=n
archive-copy=n
log-level-file=off
lock-path={scratch}
spool-path={scratch}
[main]
pg1-path={server.data}
pg1-port={server.port}
pg1-socket-path={server.folder}
pg1-user=postgres
"""]))
    config.chmod(0o644)
    return f"pgbackrest --config={config} --stanza=main"
