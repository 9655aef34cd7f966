import asyncio
import stat

import asyncssh

from check import DIRECTORY, HOST, KEY, KNOWN_HOSTS, PAYLOAD, PORT, USER, check, run


def one(function):
    async def connected():
        options = {"username": USER, "client_keys": [KEY], "known_hosts": KNOWN_HOSTS, "config": None, "agent_path": None}
        async with asyncssh.connect(HOST, PORT, **options) as connection:
            await function(connection)

    asyncio.run(asyncio.wait_for(connected(), 60))


@check
async def runs_commands(connection):
    done = await connection.run("echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.exit_status) == ("out\n", "err\n", 7)


@check
async def feeds_standard_input(connection):
    done = await connection.run("wc -c", input=PAYLOAD, encoding=None, check=True)
    assert int(done.stdout) == len(PAYLOAD)


@check
async def runs_many_at_once(connection):
    done = await asyncio.gather(*[connection.run(f"echo {n}", check=True) for n in range(50)])
    assert [int(one.stdout) for one in done] == list(range(50))


@check
async def copies_files(connection):
    async with connection.start_sftp_client() as sftp:
        there = f"{DIRECTORY}/asyncssh"
        async with sftp.open(there, "wb") as file:
            await file.write(PAYLOAD)
        async with sftp.open(there, "rb") as file:
            assert await file.read() == PAYLOAD
        async with sftp.open(there, "ab") as file:
            await file.write(b"tail")
        assert (await sftp.stat(there)).size == len(PAYLOAD) + 4


@check
async def looks_after_files(connection):
    async with connection.start_sftp_client() as sftp:
        await sftp.chdir(DIRECTORY)
        await sftp.makedirs("one/two")
        async with sftp.open("one/two/a", "w") as file:
            await file.write("text")
        await sftp.rename("one/two/a", "one/two/b")
        await sftp.posix_rename("one/two/b", "one/two/c")
        await sftp.chmod("one/two/c", 0o600)
        await sftp.truncate("one/two/c", 1)
        await sftp.link("one/two/c", "one/two/hard")
        await sftp.symlink("c", "one/two/soft")
        assert await sftp.readlink("one/two/soft") == "c"
        status = await sftp.stat("one/two/hard")
        assert (stat.S_IMODE(status.permissions), status.size) == (0o600, 1)
        assert sorted(await sftp.glob("one/two/*")) == ["one/two/c", "one/two/hard", "one/two/soft"]
        assert (await sftp.statvfs(".")).bsize > 0
        await sftp.rmtree("one")
        assert not await sftp.exists("one")


@check
async def talks_with_a_terminal(connection):
    async with connection.create_process(term_type="xterm", term_size=(100, 40)) as process:
        process.change_terminal_size(90, 30)
        process.stdin.write("stty size; echo $((40 + 2)) is it; exit 3\n")
        said = await process.stdout.read()
        done = await process.wait()
    assert "30 90" in said and "42 is it" in said, said
    assert done.exit_status == 3


@check
async def stops_a_command(connection):
    async with connection.create_process("echo started; exec sleep 600") as process:
        assert await process.stdout.readline() == "started\n"
        process.terminate()
        done = await process.wait()
    assert done.exit_signal and done.exit_signal[0] == "TERM", done


async def shout(reader, writer):
    writer.write((await reader.read(100)).upper())
    writer.close()


@check
async def forwards_ports_both_ways(connection):
    service = await asyncio.start_server(shout, HOST, 0)
    port = service.sockets[0].getsockname()[1]
    there = await connection.forward_local_port(HOST, 0, HOST, port)
    here = await connection.forward_remote_port(HOST, 0, HOST, port)
    for listener in (there, here):
        reader, writer = await asyncio.open_connection(HOST, listener.get_port())
        writer.write(b"quietly")
        assert await reader.read(100) == b"QUIETLY"
        writer.close()
        listener.close()
    service.close()


@check
async def forwards_a_socket(connection):
    path = f"{DIRECTORY}/listens"
    service = await asyncio.start_server(shout, HOST, 0)
    port = service.sockets[0].getsockname()[1]
    listener = await connection.forward_remote_path_to_port(path, HOST, port)
    reader, writer = await connection.open_unix_connection(path)
    writer.write(b"quietly")
    assert await reader.read(100) == b"QUIETLY"
    writer.close()
    listener.close()
    service.close()


run("asyncssh", one)
