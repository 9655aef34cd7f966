import datetime
import decimal
import threading
import time
import uuid

import psycopg
from psycopg.types.json import Jsonb

from check import PAYLOAD, check, hidden, run

INFO = "sslmode=require"


def fresh():
    return psycopg.connect(INFO, autocommit=True)


@check
def reads_and_writes(db):
    db.execute("drop table if exists p3")
    db.execute("create table p3 (id serial primary key, t text, n numeric, j jsonb, u uuid, a int[], b bytea, at timestamptz)")
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    row = ("x'y", decimal.Decimal("12.50"), Jsonb({"k": [1, None]}), uuid.UUID(int=7), [1, 2], b"\x00\xff", at)
    made = db.execute("insert into p3 (t, n, j, u, a, b, at) values (%s, %s, %s, %s, %s, %s, %s) returning id", row).fetchone()
    for binary in (False, True):
        with db.cursor(binary=binary) as cursor:
            got = cursor.execute("select t, n, j, u, a, b, at from p3 where id = %s", made).fetchone()
            assert got[:2] == row[:2] and got[2] == {"k": [1, None]} and got[3:] == row[3:], got
    assert db.execute("update p3 set t = 'z' where id = %s", made).rowcount == 1
    assert db.execute("delete from p3 where id = %s", made).rowcount == 1


@check
def prepares(db):
    for n in range(8):
        assert db.execute("select %s::int + 1", (n,), prepare=True).fetchone() == (n + 1,)
    names = db.execute("select 1")
    assert names.fetchone() == (1,)


@check
def many_at_once(db):
    db.execute("drop table if exists p3m")
    db.execute("create table p3m (id int primary key, t text)")
    with db.cursor() as cursor:
        cursor.executemany("insert into p3m values (%s, %s)", [(n, str(n)) for n in range(500)])
    with db.pipeline():
        cursors = [db.execute("select t from p3m where id = %s", (n,)) for n in range(50)]
    assert [c.fetchone()[0] for c in cursors] == [str(n) for n in range(50)]


@check
def transactions(db):
    db.execute("drop table if exists p3t")
    db.execute("create table p3t (id int primary key)")
    with db.transaction():
        db.execute("insert into p3t values (1)")
        try:
            with db.transaction():
                db.execute("insert into p3t values (1)")
        except psycopg.errors.UniqueViolation:
            pass
        db.execute("insert into p3t values (2)")
    try:
        with db.transaction():
            db.execute("insert into p3t values (3)")
            db.execute("drop schema public")
    except psycopg.errors.InsufficientPrivilege:
        pass
    assert db.execute("select count(*) from p3t").fetchone() == (2,)


@check
def copies(db):
    db.execute("drop table if exists p3c")
    db.execute("create table p3c (id int, t text)")
    with db.cursor() as cursor:
        with cursor.copy("copy p3c from stdin") as copy:
            for n in range(1000):
                copy.write_row((n, f"row {n}"))
        with cursor.copy("copy p3c from stdin (format binary)") as copy:
            copy.set_types(["int4", "text"])
            copy.write_row((1000, "last"))
        with cursor.copy("copy (select id, t from p3c order by id) to stdout (format binary)") as copy:
            copy.set_types(["int4", "text"])
            rows = list(copy.rows())
    assert len(rows) == 1001 and rows[-1] == (1000, "last")


@check
def named_cursors(db):
    with db.transaction(), db.cursor(name="c") as cursor:
        cursor.itersize = 10
        cursor.execute("select n from generate_series(1, 95) n")
        assert sum(1 for _ in cursor) == 95


@check
def cancels(db):
    def later():
        time.sleep(0.3)
        db.cancel_safe() if hasattr(db, "cancel_safe") else db.cancel()

    thread = threading.Thread(target=later)
    thread.start()
    try:
        db.execute("select pg_sleep(60)")
        raise AssertionError("it slept")
    except psycopg.errors.QueryCanceled:
        pass
    thread.join()
    assert db.execute("select 1").fetchone() == (1,)


@check
def listens(db):
    db.execute("listen news")
    with fresh() as other:
        other.execute("notify news, 'hello'")
    assert [n.payload for n in db.notifies(timeout=10, stop_after=1)] == [PAYLOAD]


@check
def is_masked(db):
    for binary in (False, True):
        with db.cursor(binary=binary) as cursor:
            hidden(cursor.execute("select name, email, card from people order by id").fetchall())
            hidden(cursor.execute("select address from contacts").fetchall())
    with db.cursor() as cursor, cursor.copy("copy people to stdout") as copy:
        hidden(b"".join(bytes(piece) for piece in copy))
    with db.transaction(), db.cursor(name="masked") as cursor:
        cursor.execute("select email from people")
        hidden(cursor.fetchall())


@check
def knows_types(db):
    from psycopg.types import TypeInfo
    from psycopg.types.enum import EnumInfo

    assert TypeInfo.fetch(db, "jsonb").array_oid == 3807
    db.execute("drop type if exists mood")
    db.execute("create type mood as enum ('sad', 'glad')")
    assert list(EnumInfo.fetch(db, "mood").labels) == ["sad", "glad"]


run(f"psycopg {psycopg.__version__}", fresh)
