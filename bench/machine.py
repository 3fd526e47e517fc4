"""The environment of a measurement: a private PostgreSQL, programs on free ports, processor time."""

import glob
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")


def tool(name):
    """Return the path of one of PostgreSQL's programs, of the newest version."""
    found = shutil.which(name)
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    for folder in reversed(folders):
        if os.path.exists(f"{folder}/{name}"):
            return f"{folder}/{name}"
    if found is None:
        raise SystemExit(f"{name} is missing: install PostgreSQL (Debian: postgresql, postgresql-contrib)")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_micros(pids):
    """Return the processor time in microseconds of the processes and of their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue  # It has ended since it was listed; its parent's figure includes it.
        ticks += sum(int(field) for field in fields[11:15])
    return ticks * 1_000_000 / TICKS


class Postgres:
    """A server with the settings of a new installation (fsync is on), in a folder that is removed with it.

    No database is dropped before the server ends: on ext4, creating files is several times slower just after many were
    deleted, and the next measurement would include that.
    """

    def __init__(self, folder):
        self.data = folder / "data"
        self.log = folder / "log"
        self.port = free_port()
        # PostgreSQL does not run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(folder, self.user)

    def __enter__(self):
        self.run(tool("initdb"), "-D", self.data, "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as settings:
            settings.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                "max_connections = 200\nlogging_collector = on\nlog_destination = jsonlog\n"
                "log_directory = '../log'\nlog_filename = 'bench.log'\nlog_rotation_size = 0\n"
            )
        self.run(tool("pg_ctl"), "-D", self.data, "-w", "-l", self.data / "start.log", "start")
        return self

    def __exit__(self, *_):
        self.run(tool("pg_ctl"), "-D", self.data, "-m", "immediate", "stop")

    def run(self, *command):
        subprocess.run(command, user=self.user, cwd="/", check=True, stdout=subprocess.DEVNULL)

    def url(self, database):
        return f"postgres://owner@127.0.0.1:{self.port}/{database}"

    def query(self, database, sql):
        command = [tool("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def create(self, database):
        self.query("postgres", f'CREATE DATABASE "{database}"')

    def backends(self):
        """Return the process ids of the server."""
        postmaster = (self.data / "postmaster.pid").read_text().split()[0]
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *children]

    def statements(self, work):
        """Return what was executed with parameters while `work` ran, as (statement, parameters) from the server's log."""
        self.query("postgres", "ALTER SYSTEM SET log_statement = 'all'")
        self.query("postgres", "SELECT pg_reload_conf()")
        time.sleep(1)
        path = self.log / "bench.json"
        before = path.stat().st_size
        work()
        time.sleep(1)
        self.query("postgres", "ALTER SYSTEM RESET log_statement")
        self.query("postgres", "SELECT pg_reload_conf()")
        with open(path, encoding="utf-8") as log:
            log.seek(before)
            entries = [json.loads(line) for line in log]
        return [
            (entry["message"].split(": ", 1)[1], entry.get("detail", ""))
            for entry in entries
            if entry["message"].startswith("execute ")
        ]


class Program:
    """A program that listens on its port until the block ends."""

    def __init__(self, command, port, **environment):
        self.port = port
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE)
        os.set_blocking(self.process.stderr.fileno(), False)

    def __enter__(self):
        for _ in range(100):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.process.args} ended: {self.process.stderr.read()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.1)
        raise SystemExit(f"{self.process.args} does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url(path), data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            return response.read()
