"""Strong resolves of four documents of 4 KB over HTTP, compared with the floor, a constant, and pgbench."""

import csv
import json
import random
import re
import subprocess

from machine import Program, cpu_micros, free_port, tool

TASKS = 64
CONNECTIONS = 8
DOCUMENT_BYTES = 4096


def measure(options, postgres, report):
    postgres.create("resolve")
    url = postgres.url("resolve")
    service = str(options.binaries / "context-service")
    bootstrap = [service, "--store", url, "bootstrap", "--tenant-ids", "default"]
    subprocess.run(bootstrap, check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    command = [service, "--store", url, "--max-connections", str(CONNECTIONS), "serve", "--listen", f"127.0.0.1:{port}"]
    with Program(command, port) as server:
        seed(server)
        paths = [f"/v1/tenants/default/tree/web/main/t{n}?view=resolved" for n in range(TASKS)]
        body = server.send("GET", paths[0])
        report.facts["bytes of a resolved response"] = len(body)
        # Once the server has the documents in memory, every resolve sends the same statement.
        [server.send("GET", path) for path in paths]
        statement, parameters = statement_of(postgres, server, paths)
        folder = postgres.data.parent
        case = folder / "case.json"
        case.write_text(json.dumps({"statement": statement, "parameters": parameters, "body": body.decode()}))
        (folder / "body.json").write_bytes(body)
        floor_port, constant_port = free_port(), free_port()
        floor = [str(options.binaries / "bench-floor"), f"127.0.0.1:{floor_port}", url, str(CONNECTIONS), str(case)]
        constant = [str(options.binaries / "bench-constant"), f"127.0.0.1:{constant_port}", str(folder / "body.json")]
        with Program(floor, floor_port) as floor, Program(constant, constant_port) as constant:
            peers = {
                "context-service": (server, paths),
                "bench/floor": (floor, [f"/{n}" for n in range(TASKS)]),
                "bench/constant": (constant, paths),
            }
            for clients in (8, 1):
                row = f"strong resolve of 4 x 4 KB, {clients} clients, responses/s"
                for _ in range(options.rounds):
                    for name, (program, its_paths) in peers.items():
                        load(report, row, name, (program, its_paths, clients), options.seconds, postgres)
                    pgbench(report, row, (statement, parameters[0], clients), options.seconds, postgres)


def seed(server):
    """Store four levels of about 4 KB; a task changes some of what it inherits."""
    shuffle = random.Random(7)
    put(server, "", document(shuffle, "global"))
    put(server, "/web", document(shuffle, "project"))
    put(server, "/web/main", document(shuffle, "branch"))
    for n in range(TASKS):
        put(server, f"/web/main/t{n}", document(shuffle, f"task{n}"))


def put(server, path, context_data):
    server.send("PUT", f"/v1/tenants/default/tree{path}", {"context_data": context_data})


def document(shuffle, name):
    own, shared = {}, {}
    while len(json.dumps({"settings": shared, name: own})) < DOCUMENT_BYTES:
        key = f"key_{shuffle.randrange(60):02}"
        shared[key] = {"value": shuffle.randrange(10**6), "note": name, "flags": [shuffle.random() < 0.5] * 3}
        own[f"entry_{len(own)}"] = "lorem ipsum dolor sit amet "[: shuffle.randrange(8, 27)]
    return {"settings": shared, name: own}


def statement_of(postgres, server, paths):
    """Return the statement that a resolve sends, and its parameters for each path, from the server's log."""
    executed = postgres.statements(lambda: [server.send("GET", path) for path in paths])
    if len({text for text, _ in executed}) != 1 or len(executed) != len(paths):
        raise SystemExit(f"{len(paths)} resolves executed {len(executed)} statements: one each was expected")
    return executed[0][0], [parameters_of(detail) for _, detail in executed]


def parameters_of(detail):
    values = re.findall(r"\$\d+ = '((?:[^']|'')*)'", detail)
    return [elements(value) if value.startswith("{") else value for value in values]


def elements(array):
    """Parse an array of texts as PostgreSQL prints it."""
    return next(csv.reader([array[1:-1]], escapechar="\\"), [])


def array(texts):
    """Format an array of texts as PostgreSQL reads it."""
    return ",".join(json.dumps(text) for text in texts).join("{}")


def load(report, row, name, target, seconds, postgres):
    program, paths, clients = target
    script = postgres.data.parent / "paths.lua"
    listed = ", ".join(json.dumps(path) for path in paths)
    script.write_text(
        f"local paths = {{ {listed} }}\nlocal turn = 0\n"
        "request = function() turn = turn % #paths + 1; return wrk.format('GET', paths[turn]) end\n"
    )
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", str(script), program.url("/")]
    pids = [program.process.pid]
    before, backends_before = cpu_micros(pids), cpu_micros(postgres.backends())
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after, backends_after = cpu_micros(pids), cpu_micros(postgres.backends())
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"{name} failed under load:\n{output}")
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    report.add(
        row,
        name,
        float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1)),
        p50_us=micros(re.search(r"50%\s+([\d.]+\w+)", output).group(1)),
        p99_us=micros(re.search(r"99%\s+([\d.]+\w+)", output).group(1)),
        server_cpu_us=(after - before) / requests,
        postgres_cpu_us=(backends_after - backends_before) / requests,
    )


def micros(text):
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()
    return float(number) * {"us": 1, "ms": 1_000, "s": 1_000_000}[unit]


def pgbench(report, row, case, seconds, postgres):
    """Run the statement alone, prepared, on as many connections as there are clients."""
    statement, parameters, clients = case
    script = postgres.data.parent / "statement.sql"
    one_line = " ".join(statement.split())
    script.write_text(re.sub(r"\$(\d+)", r":p\1", one_line) + ";\n")
    values = [array(value) if isinstance(value, list) else value for value in parameters]
    variables = [part for n, value in enumerate(values, 1) for part in ("-D", f"p{n}={value}")]
    command = [tool("pgbench"), "-n", "-M", "prepared", "-f", str(script), "-T", str(seconds)]
    command += ["-c", str(clients), *variables, postgres.url("resolve")]
    environment = {"PGOPTIONS": "-c plan_cache_mode=force_generic_plan", "PATH": "/usr/bin:/bin"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    report.add(row, "pgbench, the statement alone", float(re.search(r"tps = ([\d.]+)", output).group(1)))
