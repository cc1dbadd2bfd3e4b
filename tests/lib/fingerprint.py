"""Why this exists: "every row is back" must be a comparison of two values. The fingerprint of a database
holds an exact digest of every table's rows in the order of its primary key, and in clear text what else
makes it that database: sequences, indexes, constraints, large objects, roles, memberships, grants.

The rows of unlogged tables are left out: PostgreSQL empties them after a crash or a physical restore.
Sequences may move on by up to 32 over a crash (commands/sequence.c, SEQ_LOG_VALS), but not over a
checkpoint, with which every physical backup begins.
"""

USER_SCHEMA = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"

# Each gives rows of text columns, in a fixed order.
LISTS = {
    "relations": f"""
        SELECT n.nspname, c.relname, c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), c.relacl::text,
               coalesce(t.spcname, ''), c.reloptions::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE {USER_SCHEMA} ORDER BY 1, 2""",
    "columns": f"""
        SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               a.attacl::text, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm') AND {USER_SCHEMA}
        ORDER BY 1, 2, a.attnum""",
    "indexes": f"""
        SELECT n.nspname, c.relname, pg_get_indexdef(c.oid), i.indisvalid
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USER_SCHEMA} ORDER BY 1, 2""",
    "constraints": f"""
        SELECT n.nspname, k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid)
        FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE {USER_SCHEMA} ORDER BY 1, 2, 3""",
    "partitions": """
        SELECT inhparent::regclass::text, inhrelid::regclass::text, pg_get_expr(c.relpartbound, c.oid)
        FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid ORDER BY 1, 2""",
    "views": f"""
        SELECT n.nspname, c.relname, pg_get_viewdef(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm') AND {USER_SCHEMA} ORDER BY 1, 2""",
    "functions": f"""
        SELECT n.nspname, p.proname, pg_get_functiondef(p.oid)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prokind IN ('f', 'p') AND {USER_SCHEMA} ORDER BY 1, 2, 3""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger
        WHERE NOT tgisinternal ORDER BY 1, 2""",
    "schemas": f"""
        SELECT n.nspname, pg_get_userbyid(n.nspowner), n.nspacl::text FROM pg_namespace n WHERE {USER_SCHEMA} ORDER BY 1""",
    "default_privileges": """
        SELECT pg_get_userbyid(defaclrole), defaclnamespace::regnamespace::text, defaclobjtype, defaclacl::text
        FROM pg_default_acl ORDER BY 1, 2, 3""",
    "extensions": "SELECT extname, extversion FROM pg_extension ORDER BY 1",
    "large_objects": """
        SELECT oid::text, md5(lo_get(oid)), pg_get_userbyid(lomowner), lomacl::text
        FROM pg_largeobject_metadata ORDER BY oid""",
    "roles": """
        SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
               rolconnlimit, md5(rolpassword), rolvaliduntil::text, shobj_description(oid, 'pg_authid')
        FROM pg_authid WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1""",
    "role_settings": """
        SELECT coalesce(r.rolname, ''), s.setconfig::text FROM pg_db_role_setting s
        LEFT JOIN pg_roles r ON r.oid = s.setrole
        WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1, 2""",
    "memberships": """
        SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members
        WHERE member >= 16384 ORDER BY 1, 2""",
    "database": """
        SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datacl::text
        FROM pg_database WHERE datname = current_database()""",
}

TABLES = f"""
    SELECT format('%I.%I', n.nspname, c.relname),
           (SELECT string_agg(format('t.%I', a.attname), ', ' ORDER BY array_position(i.indkey::int[], a.attnum::int))
            FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = c.oid AND i.indisprimary)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND {USER_SCHEMA} ORDER BY 1"""

SEQUENCES = f"""
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND {USER_SCHEMA} ORDER BY 1"""

SESSION = """
    SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'hex';
    SET extra_float_digits = 3; SET search_path = pg_catalog; SET quote_all_identifiers = off"""


def fingerprint(connection):
    """Of the database that `connection` (a superuser's, autocommit) is connected to."""
    connection.execute(SESSION)
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        result = {name: connection.execute(query).fetchall() for name, query in LISTS.items()}
        result["tables"] = {
            table: connection.execute(rows_query(table, key)).fetchone()
            for table, key in connection.execute(TABLES).fetchall()
        }
        result["sequences"] = {
            name: connection.execute(f"SELECT last_value, is_called FROM {name}").fetchone()
            for (name,) in connection.execute(SEQUENCES).fetchall()
        }
    return result


def rows_query(table, key):
    """Number of rows and digest of all of them, ordered by primary key, else by their text."""
    return f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY {key or 't::text'})) FROM ONLY {table} t"


def differences(before, after):
    """The parts of two fingerprints that are not equal, for a message; [] when they are."""
    return [
        f"{part}: {before.get(part)!r} became {after.get(part)!r}"
        for part in sorted({*before, *after})
        if before.get(part) != after.get(part)
    ]
