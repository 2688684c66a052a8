"""Two stores that a latch protects, each with a write that is fenced and one that is not.

The fence is one conditional UPDATE: the row remembers the highest token that has written it, and a
lower one changes nothing. No lock of the database is held, so connection pools do no harm.
"""

import sqlite3
import subprocess

SCHEMA = "CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, owner TEXT, token BIGINT NOT NULL)"
SEED = "INSERT INTO account VALUES (1, 'nobody', 0)"
# With <=, one holder may write many times; the tokens of two holders are never equal.
FENCED = "UPDATE account SET owner = '{owner}', token = {token} WHERE id = 1 AND token <= {token}"
PLAIN = "UPDATE account SET owner = '{owner}', token = {token} WHERE id = 1"


class SQLite:
    def __init__(self, path):
        self.path = path

    def prepare(self):
        with sqlite3.connect(self.path) as database:
            database.execute("DROP TABLE IF EXISTS account")
            database.execute(SCHEMA)
            database.execute(SEED)

    def write(self, owner, token, fenced):
        """Whether the write took effect."""
        statement = (FENCED if fenced else PLAIN).format(owner=owner, token=int(token))
        with sqlite3.connect(self.path, timeout=10) as database:
            return database.execute(statement).rowcount == 1

    def owner(self):
        with sqlite3.connect(self.path) as database:
            return database.execute("SELECT owner FROM account WHERE id = 1").fetchone()[0]


class PostgreSQL:
    """By way of psql, so that nothing needs to be installed; a program uses its own driver."""

    def __init__(self, address):
        self.address = address

    def _run(self, *statements):
        command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                   "--set=ON_ERROR_STOP=1", self.address]
        for statement in statements:
            command += ["--command", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def prepare(self):
        self._run("DROP TABLE IF EXISTS account", SCHEMA, SEED)

    def write(self, owner, token, fenced):
        statement = (FENCED if fenced else PLAIN).format(owner=owner, token=int(token))
        return self._run(statement + " RETURNING token") != ""

    def owner(self):
        return self._run("SELECT owner FROM account WHERE id = 1")


def store(text):
    """`sqlite:FILE`, or what psql takes for a connection, as in `postgresql:///shop`."""
    return SQLite(text.removeprefix("sqlite:")) if text.startswith("sqlite:") else PostgreSQL(text)
