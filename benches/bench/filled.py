"""Databases that are filled past the service, by statements of their own: a million records in seconds."""
import glob
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

DAY_MS = 24 * 3600 * 1000
# The busy function's share of all records: one in eleven.
BUSY = 11


def series(last):
    """The numbers from 1 to `last`, as a table `s` with a column `n`."""
    return f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s) AS s"


def copy(columns, table, source, condition, **own):
    """Rows of a table that are like others of it, but for some columns."""
    taken = ", ".join(own.get(name, f"{table}.{name}") for name in columns(table))
    return f"INSERT INTO {table} ({', '.join(columns(table))}) SELECT {taken} FROM {table}, {source} WHERE {condition}"


def statements(options, columns, ids, now_ms):
    """The statements that fill a database whose only function is called `node`: each other one is a copy of it, with code
    and logs of its own, and has its records spread over 29 days. `columns` tells a table's columns but its id, `ids` makes
    the text of an id out of a number."""
    code = "'exports.handler = async (data) => data; // " + "x" * 1000 + "'"
    logs = "'" + "a line that a build printed\\n" * 80 + "'"
    name = f"CASE WHEN s.n = {options.functions - 1} THEN 'busy' ELSE 'f' || s.n END"
    node = "(SELECT id FROM functions WHERE name = 'node')"
    others = "(SELECT id AS other FROM functions WHERE name <> 'node') AS others"
    # Of the functions in the order of their ids: the last one is the busy one.
    function = (f"{node} + CASE WHEN s.n % {BUSY} = 0 THEN {options.functions - 1} ELSE 1 + s.n % {options.functions - 2} END")
    own = {
        "id": ids("s.n"), "project_id": "1", "function_id": function, "version": "1",
        "created_at": f"CAST({now_ms} - 29.0 * {DAY_MS} * ({options.records} - s.n) / {options.records} AS BIGINT)",
        "status": "CASE WHEN s.n % 50 < 47 THEN 'success' WHEN s.n % 50 = 49 THEN 'timeout' ELSE 'error' END",
        "code": "CASE WHEN s.n % 50 < 47 THEN NULL ELSE 'RUNTIME_ERROR' END", "error": "NULL", "method": "'POST'",
        "path": "'/p/1/functions/any/orders/17'", "http_status": "200", "execution_time_ms": "0.25 + s.n % 40",
        "memory_bytes": "40000000", "cpu_time_ms": "0.5", "response_bytes": "120",
        "logs": "'a line that the function printed about an order, with some of its fields: 17, 4, 99.50 EUR'",
        "is_warm": "s.n % 100 > 0", "trigger_kind": "'http'", "driver": "'native'", "timing": "'[0,41,0,318,402]'",
    }
    names = columns("records")
    kept = f"INSERT INTO records ({', '.join(names)}) SELECT {', '.join(own.get(column, 'NULL') for column in names)} FROM " \
           f"{series(options.records)}"
    return [
        copy(columns, "functions", series(options.functions - 1), "functions.name = 'node' ORDER BY s.n", name=name, code=code,
             build_logs=logs),
        copy(columns, "versions", others, f"versions.function_id = {node}", function_id="other"),
        copy(columns, "deployments", others, f"deployments.function_id = {node}", function_id="other", build_logs=logs),
        copy(columns, "activations", others, f"activations.function_id = {node}", function_id="other"),
        kept,
        "UPDATE functions SET invocation_count = (SELECT COUNT(*) FROM records WHERE function_id = functions.id)",
        f"UPDATE totals SET invocations = {options.records}, succeeded = {options.records}",
    ]


class Sqlite:
    """A file in the service's data dir."""

    def _path(self, data):
        return os.path.join(data, "cloudbox.db")

    def url(self, data):
        """What the service opens."""
        return "sqlite://" + self._path(data)

    def fill(self, data, options):
        """Fills it; the service is stopped."""
        database = sqlite3.connect(self._path(data))
        database.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000")
        ids = lambda n: f"printf('%08x-0000-7000-8000-%012x', {n}, {n})"
        for statement in statements(options, self._columns(database), ids, int(time.time() * 1000)):
            database.execute(statement)
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()

    @staticmethod
    def _columns(database):
        """Tells a table's columns, but for numbers that the database gives."""
        return lambda table: [row[1] for row in database.execute(f"PRAGMA table_info({table})")
                              if row[1] != "seq" and (row[1] != "id" or table == "records")]

    def multiply(self, data, name, count):
        """Makes copies of a function that is deployed, called `name-1`, `name-2`, …; the service is stopped."""
        database = sqlite3.connect(self._path(data))
        columns = self._columns(database)
        first = f"(SELECT id FROM functions WHERE name = '{name}')"
        others = f"(SELECT id AS other FROM functions WHERE name LIKE '{name}-%') AS others"
        database.execute(copy(columns, "functions", series(count), f"functions.name = '{name}'", name=f"'{name}-' || s.n"))
        database.execute(copy(columns, "versions", others, f"versions.function_id = {first}", function_id="other"))
        database.commit()
        database.close()

    def _one(self, data, sql):
        database = sqlite3.connect(self._path(data), timeout=60)
        found = database.execute(sql).fetchone()[0]
        database.close()
        return found

    def older(self, data, days):
        """Records that are older."""
        return self._one(data, f"SELECT COUNT(*) FROM records WHERE created_at < {int(time.time() * 1000) - days * DAY_MS}")

    def megabytes(self, data):
        """Of its files."""
        return sum(os.path.getsize(path) for path in glob.glob(self._path(data) + "*")) / 2**20

    def stop(self):
        """Nothing runs."""


class Postgres:
    """A cluster of its own in a temporary folder, on a unix socket there, with its usual settings."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="cb-bench-pg-")
        self.binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        # It refuses to run as root.
        self.user = None
        if os.geteuid() == 0:
            self.user = pwd.getpwnam("postgres").pw_name
            shutil.chown(self.folder, self.user)
        self.names = {}
        cluster = os.path.join(self.folder, "data")
        self._run("initdb", "--username=cloudbox", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D", cluster)
        self.server = subprocess.Popen([os.path.join(self.binaries, "postgres"), "-c", "listen_addresses=", "-k", self.folder, "-D",
                                        cluster], user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        while subprocess.run([os.path.join(self.binaries, "pg_isready"), "-q", "-h", self.folder], check=False).returncode:
            time.sleep(0.1)

    def _run(self, program, *arguments):
        command = [os.path.join(self.binaries, program), *arguments]
        done = subprocess.run(command, user=self.user, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{program}: {done.stderr}")
        return done.stdout

    def _sql(self, data, sql):
        return self._run("psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-U", "cloudbox", "-h", self.folder, "-d",
                         self.names[data], "-c", sql).strip()

    def url(self, data):
        """What the service opens; made at the first time."""
        if data not in self.names:
            self.names[data] = f"bench{len(self.names)}"
            self._run("createdb", "-U", "cloudbox", "-h", self.folder, self.names[data])
        return f"postgres://cloudbox@localhost/{self.names[data]}?host={self.folder}"

    def fill(self, data, options):
        """Fills it, and has its statistics taken as a server does by itself after a while."""
        columns = lambda table: self._sql(data, "SELECT column_name FROM information_schema.columns WHERE table_name = "
                                          f"'{table}' AND is_identity = 'NO' ORDER BY ordinal_position").split()
        ids = lambda n: f"lpad(to_hex({n}), 8, '0') || '-0000-7000-8000-' || lpad(to_hex({n}), 12, '0')"
        for statement in statements(options, columns, ids, int(time.time() * 1000)):
            self._sql(data, statement)
        self._sql(data, "VACUUM ANALYZE")

    def older(self, data, days):
        """Records that are older."""
        before = int(time.time() * 1000) - days * DAY_MS
        return int(self._sql(data, f"SELECT COUNT(*) FROM records WHERE created_at < {before}"))

    def megabytes(self, data):
        """Of its files."""
        return int(self._sql(data, "SELECT pg_database_size(current_database())")) / 2**20

    def stop(self):
        """Ends it, and removes what it kept."""
        self.server.send_signal(signal.SIGINT)
        self.server.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)
