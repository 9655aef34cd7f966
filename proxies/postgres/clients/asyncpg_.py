import asyncio
import datetime
import decimal
import io
import traceback
import uuid

import asyncpg

from check import CHECKS, DATABASE, HOST, PASSWORD, PAYLOAD, PORT, USER, check, hidden, report


async def fresh():
    return await asyncpg.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, ssl="require")


@check
async def reads_and_writes(db):
    await db.execute("drop table if exists ap; create table ap (id serial primary key, t text, n numeric, u uuid, a text[], b bytea, at timestamptz, i interval)")
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    row = ("x'y", decimal.Decimal("12.50"), uuid.UUID(int=7), ["a", None], b"\x00\xff", at, datetime.timedelta(days=1))
    made = await db.fetchval("insert into ap (t, n, u, a, b, at, i) values ($1, $2, $3, $4, $5, $6, $7) returning id", *row)
    assert tuple(await db.fetchrow("select t, n, u, a, b, at, i from ap where id = $1", made)) == row
    assert await db.execute("delete from ap where id = $1", made) == "DELETE 1"


@check
async def prepares(db):
    statement = await db.prepare("select $1::int * 2 as twice")
    assert [await statement.fetchval(n) for n in range(5)] == [0, 2, 4, 6, 8]
    assert statement.get_attributes()[0].name == "twice"


@check
async def many_at_once(db):
    await db.execute("drop table if exists apm; create table apm (id int primary key, t text)")
    await db.executemany("insert into apm values ($1, $2)", [(n, str(n)) for n in range(300)])
    assert await db.fetchval("select count(*) from apm") == 300


@check
async def transactions(db):
    await db.execute("drop table if exists apt; create table apt (id int primary key)")
    async with db.transaction(isolation="serializable"):
        await db.execute("insert into apt values (1)")
        try:
            async with db.transaction():
                await db.execute("insert into apt values (1)")
        except asyncpg.UniqueViolationError:
            pass
        rows = [row["n"] async for row in db.cursor("select n from generate_series(1, 120) n", prefetch=50)]
        assert len(rows) == 120
    try:
        async with db.transaction():
            await db.execute("insert into apt values (2)")
            await db.execute("drop schema public")
    except asyncpg.InsufficientPrivilegeError:
        pass
    assert await db.fetchval("select count(*) from apt") == 1


@check
async def copies(db):
    await db.execute("drop table if exists apc; create table apc (id int, t text)")
    assert await db.copy_records_to_table("apc", records=[(n, f"r{n}") for n in range(1000)]) == "COPY 1000"
    out = io.BytesIO()
    assert await db.copy_from_table("apc", output=out, format="csv") == "COPY 1000"
    assert out.getvalue().count(b"\n") == 1000


@check
async def listens(db):
    heard = asyncio.get_running_loop().create_future()
    await db.add_listener("news", lambda *event: heard.done() or heard.set_result(event[3]))
    other = await fresh()
    await other.execute("select pg_notify('news', 'hello')")
    await other.close()
    assert await asyncio.wait_for(heard, 10) == PAYLOAD
    await db.reset()


@check
async def cancels(db):
    try:
        await db.execute("select pg_sleep(60)", timeout=0.3)
        raise AssertionError("it slept")
    except (asyncio.TimeoutError, TimeoutError):
        pass
    assert await db.fetchval("select 1") == 1


@check
async def pools(db):
    pool = await asyncpg.create_pool(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, ssl="require", min_size=2, max_size=4)

    async def one(n):
        async with pool.acquire() as held:
            return await held.fetchval("select $1::int", n)

    assert await asyncio.gather(*(one(n) for n in range(40))) == list(range(40))
    await pool.close()


@check
async def knows_types(db):
    await db.execute("drop type if exists pair; create type pair as (a int, b text)")
    assert tuple(await db.fetchval("select row(1, 'x')::pair")) == (1, "x")
    await db.execute("drop domain if exists small; create domain small as int check (value < 10)")
    assert await db.fetchval("select 5::small") == 5


@check
async def is_masked(db):
    hidden(await db.fetch("select name, email, card from people order by id"))
    hidden(await db.fetch("select address from contacts"))
    out = io.BytesIO()
    await db.copy_from_table("people", output=out)
    hidden(out.getvalue())


async def main():
    failed = []
    for function in CHECKS:
        try:
            db = await fresh()
            await asyncio.wait_for(function(db), 60)
            await db.close()
        except Exception:  # noqa: BLE001
            failed.append((function.__name__, traceback.format_exc()))
    return failed


report(f"asyncpg {asyncpg.__version__}", asyncio.run(main()))
