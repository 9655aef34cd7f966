import datetime
import decimal
import io
import ssl
import uuid

import pg8000.native
from pg8000.exceptions import DatabaseError

from check import DATABASE, HOST, PASSWORD, PAYLOAD, PORT, USER, check, hidden, run


def fresh():
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return pg8000.native.Connection(USER, host=HOST, port=PORT, password=PASSWORD, database=DATABASE, ssl_context=trusting)


@check
def reads_and_writes(db):
    db.run("drop table if exists p8")
    db.run("create table p8 (id serial primary key, t text, n numeric, j jsonb, u uuid, a int[], b bytea, at timestamptz)")
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    row = dict(t="x'y", n=decimal.Decimal("12.50"), u=uuid.UUID(int=7), a=[1, 2], b=b"\x00\xff", at=at)
    made = db.run("insert into p8 (t, n, u, a, b, at) values (:t, :n, :u, :a, :b, :at) returning id", **row)[0][0]
    got = db.run("select t, n, u, a, b, at from p8 where id = :id", id=made)[0]
    assert got == list(row.values()), got
    assert db.run("delete from p8 where id = :id returning id", id=made) == [[made]]


@check
def prepares(db):
    statement = db.prepare("select cast(:n as int) + 1")
    assert [statement.run(n=n) for n in range(5)] == [[[n + 1]] for n in range(5)]
    statement.close()


@check
def transactions(db):
    db.run("drop table if exists p8t")
    db.run("create table p8t (id int primary key)")
    db.run("start transaction")
    db.run("insert into p8t values (1)")
    db.run("rollback")
    db.run("start transaction")
    db.run("insert into p8t values (2)")
    try:
        db.run("drop schema public")
        raise AssertionError("dropped")
    except DatabaseError as error:
        assert error.args[0]["C"] == "42501", error
    db.run("rollback")
    assert db.run("select count(*) from p8t") == [[0]]


@check
def copies(db):
    db.run("drop table if exists p8c")
    db.run("create table p8c (id int, t text)")
    db.run("copy p8c from stdin (format csv)", stream=io.StringIO("1,one\n2,two\n"))
    out = io.BytesIO()
    db.run("copy p8c to stdout (format csv)", stream=out)
    assert out.getvalue() == b"1,one\n2,two\n", out.getvalue()


@check
def listens(db):
    db.run("listen news")
    other = fresh()
    other.run("notify news, 'hello'")
    other.close()
    for _ in range(100):
        db.run("select 1")
        if db.notifications:
            break
    assert db.notifications[0][2] == PAYLOAD, db.notifications


@check
def is_masked(db):
    hidden(db.run("select name, email, card from people order by id"))
    hidden(db.run("select name, email, card from people where id < :id", id=10))
    hidden(db.run("select address from contacts"))


run("pg8000", fresh)
