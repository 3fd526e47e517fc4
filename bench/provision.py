"""Making many tenants, beside psql sending the same DDL on as many connections, and beside SQLAlchemy."""

import pathlib
import subprocess
import sys
import threading
import time

from machine import tool

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKERS = 8


def measure(options, postgres, report):
    row = f"make {options.tenants} tenants, tenants/s, fsync on"
    tenants = [f"t{n:05}" for n in range(options.tenants)]
    service = [str(options.binaries / "context-service"), "--store"]
    for _ in range(options.rounds):
        for name, work in {"context-service": by_service, "psql": by_psql, "SQLAlchemy": by_sqlalchemy}.items():
            database = f"provision_{name.lower().replace('-', '_')}"
            postgres.create(database)
            # The control schema is there beforehand in all three; the tenants are what is measured.
            subprocess.run(
                [*service, postgres.url(database), "bootstrap", "--tenant-ids", "default"],
                check=True, stdout=subprocess.DEVNULL,
            )
            began = time.monotonic()
            work(options, postgres.url(database), tenants)
            seconds = time.monotonic() - began
            made = int(postgres.query(database, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenant\\_t%'"))
            if made != len(tenants):
                raise SystemExit(f"{name} made {made} of {len(tenants)} schemas")
            report.add(row, name, len(tenants) / seconds, seconds=seconds)
            postgres.drop(database)


def by_service(options, url, tenants):
    command = [str(options.binaries / "context-service"), "--store", url, "bootstrap"]
    command += ["--workers", str(WORKERS), "--tenant-ids", ",".join(tenants)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def by_psql(_, url, tenants):
    """One transaction a tenant: what the service's function does, as plain statements."""
    folder = ROOT / "crates" / "fleet" / "migrations" / "tenant"
    migrations = sorted(folder.glob("*.up.sql"))
    texts = [(path.name.removesuffix(".up.sql"), path.read_text()) for path in migrations]
    processes = []
    for worker in range(WORKERS):
        script = "".join(ddl(tenant, texts) for tenant in tenants[worker::WORKERS])
        command = [tool("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-d", url]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append((process, script))
    # Each script is longer than a pipe holds: they are fed side by side.
    feeders = [threading.Thread(target=process.communicate, args=(script,)) for process, script in processes]
    [feeder.start() for feeder in feeders]
    [feeder.join() for feeder in feeders]
    if any(process.returncode for process, _ in processes):
        raise SystemExit("psql failed")


def ddl(tenant, migrations):
    schema = f'"tenant_{tenant}"'
    statements = [
        "BEGIN;",
        f"INSERT INTO public.tenants (id, generation, revision) VALUES ('{tenant}', gen_random_uuid(), {len(migrations)});",
        f"CREATE SCHEMA {schema};",
    ]
    statements += [text.replace("{schema}", schema).replace("{tenant}", f"'{tenant}'") for _, text in migrations]
    statements += [
        f"INSERT INTO {schema}.contexts (id, context_data, context_type, tenant_id, version, context_level, terms) "
        f"VALUES ('ctx_' || gen_random_uuid(), '{{}}', 'global', '{tenant}', 0, 'global', '{{}}');"
    ]
    statements += [
        "INSERT INTO public.migration_history (tenant, schema, revision, migration_name, checksum, status, started, finished, by) "
        f"VALUES ('{tenant}', 'tenant_{tenant}', {n}, '{name}', '', 'applied', now(), now(), current_user);"
        for n, (name, _) in enumerate(migrations, 1)
    ]
    statements += [f"COMMENT ON SCHEMA {schema} IS 'context-service: tenant revision {len(migrations)}';", "COMMIT;\n"]
    return "\n".join(statements)


def by_sqlalchemy(_, url, tenants):
    subprocess.run(
        [sys.executable, str(ROOT / "bench" / "peers" / "sqlalchemy_tenants.py"), url], check=True,
        input="\n".join(tenants), text=True,
    )
