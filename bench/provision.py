"""Creates many tenants, compared with psql sending the same DDL on as many connections, and with SQLAlchemy."""

import pathlib
import subprocess
import sys
import threading
import time

from machine import cpu_micros, tool

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLEET = ROOT / "crates" / "fleet"
WORKERS = 8


def measure(options, postgres, report):
    row = f"create {options.tenants} tenants, tenants/s, fsync on"
    tenants = [f"t{n:05}" for n in range(options.tenants)]
    service = [str(options.binaries / "context-service"), "--store"]
    peers = [("context-service", by_service), ("psql", by_psql), ("SQLAlchemy", by_sqlalchemy)]
    for number in range(options.rounds):
        # The peers take turns in being first, because background work that one leaves runs during the next.
        turn = number % len(peers)
        for name, work in peers[turn:] + peers[:turn]:
            database = f"provision_{name.lower().replace('-', '_')}_{number}"
            postgres.create(database)
            # All three begin with a control schema: only the tenants are measured.
            subprocess.run(
                [*service, postgres.url(database), "bootstrap", "--tenant-ids", "default"],
                check=True, stdout=subprocess.DEVNULL,
            )
            postgres.query(database, "CHECKPOINT")
            used = cpu_micros(postgres.backends())
            seconds = work(options, postgres.url(database), tenants)
            used = cpu_micros(postgres.backends()) - used
            made = int(postgres.query(database, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenant\\_t%'"))
            if made != len(tenants):
                raise SystemExit(f"{name} created {made} of {len(tenants)} schemas")
            report.add(
                row, name, len(tenants) / seconds, seconds=seconds, postgres_cpu_ms=used / 1000 / len(tenants)
            )
            if work is by_service:
                again = by_service(options, postgres.url(database), tenants)
                report.add(f"bootstrap of {options.tenants} tenants with nothing to do, tenants/s", name,
                           len(tenants) / again, milliseconds=again * 1000)


def by_service(options, url, tenants):
    command = [str(options.binaries / "context-service"), "--store", url, "bootstrap"]
    command += ["--workers", str(WORKERS), "--tenant-ids", ",".join(tenants)]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def by_psql(_, url, tenants):
    """Send what the service's functions do as plain statements, in one transaction and one message per tenant."""
    schema = (FLEET / "schema" / "tenant.sql").read_text()
    statements = [statement.strip() for statement in schema.split(";\n") if statement.strip()]
    revisions = len(list((FLEET / "migrations" / "tenant").glob("*.up.sql")))
    processes = []
    for worker in range(WORKERS):
        script = "".join(ddl(tenant, statements, revisions) for tenant in tenants[worker::WORKERS])
        command = [tool("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-d", url]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append((process, script))
    began = time.monotonic()
    # Each script is longer than a pipe's buffer, so the processes are fed in parallel.
    feeders = [threading.Thread(target=process.communicate, args=(script,)) for process, script in processes]
    [feeder.start() for feeder in feeders]
    [feeder.join() for feeder in feeders]
    if any(process.returncode for process, _ in processes):
        raise SystemExit("psql failed")
    return time.monotonic() - began


def ddl(tenant, tables, revisions):
    schema = f'"tenant_{tenant}"'
    records = ", ".join(
        f"('{tenant}', 'tenant_{tenant}', {n}, '', '', 'applied', now(), now(), current_user)"
        for n in range(1, revisions + 1)
    )
    names = ", ".join(f"{schema}.{name}" for name in ("contexts", "context_changes", "context_inheritance_cache"))
    statements = [
        "BEGIN",
        "SET LOCAL max_parallel_maintenance_workers = 0",
        f"INSERT INTO public.tenants (id, generation, revision) VALUES ('{tenant}', gen_random_uuid(), {revisions})",
        f"CREATE SCHEMA {schema}",
        *(text.replace("{schema}", schema).replace("{tenant}", f"'{tenant}'") for text in tables),
        f"INSERT INTO {schema}.contexts (id, context_data, context_type, tenant_id, version, context_level, terms) "
        f"VALUES ('ctx_' || gen_random_uuid(), '{{}}', 'global', '{tenant}', 0, 'global', '{{}}')",
        f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
        f"REVOKE ALL ON {names} FROM PUBLIC",
        "INSERT INTO public.migration_history "
        f"(tenant, schema, revision, migration_name, checksum, status, started, finished, by) VALUES {records}",
        f"COMMENT ON SCHEMA {schema} IS 'context-service: tenant revision {revisions}'",
        "COMMIT",
    ]
    # psql sends statements that end with a backslash and a semicolon together with those that follow.
    return "\\;\n".join(statements) + ";\n"


def by_sqlalchemy(_, url, tenants):
    """Return the time that the peer measured itself, without the loading of its modules."""
    peer = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "peers" / "sqlalchemy_tenants.py"), url], check=True,
        input="\n".join(tenants), text=True, stdout=subprocess.PIPE,
    )
    return float(peer.stdout)
