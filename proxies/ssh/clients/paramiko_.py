import io
import socket
import stat
import time

import paramiko

from check import DIRECTORY, HOST, KEY, KNOWN_HOSTS, PAYLOAD, PORT, USER, check, run


def one(function):
    with paramiko.SSHClient() as client:
        client.load_host_keys(KNOWN_HOSTS)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(HOST, PORT, USER, key_filename=KEY, allow_agent=False, look_for_keys=False, timeout=20)
        function(client)


@check
def runs_commands(client):
    _, out, err = client.exec_command("echo out; echo err >&2; exit 7", timeout=20)
    assert (out.read(), err.read(), out.channel.recv_exit_status()) == (b"out\n", b"err\n", 7)


@check
def feeds_standard_input(client):
    into, out, _ = client.exec_command("wc -c", timeout=20)
    into.write(PAYLOAD)
    into.channel.shutdown_write()
    assert int(out.read()) == len(PAYLOAD)


@check
def runs_many_at_once(client):
    running = [client.exec_command(f"echo {n}", timeout=20)[1] for n in range(10)]
    assert [int(out.read()) for out in running] == list(range(10))


@check
def copies_files(client):
    with client.open_sftp() as sftp:
        there = f"{DIRECTORY}/paramiko"
        sftp.putfo(io.BytesIO(PAYLOAD), there)
        back = io.BytesIO()
        sftp.getfo(there, back)
        assert back.getvalue() == PAYLOAD
        with sftp.open(there, "a") as file:
            file.write(b"tail")
        with sftp.open(there, "r") as file:
            file.seek(len(PAYLOAD))
            assert file.read() == b"tail"


@check
def looks_after_files(client):
    with client.open_sftp() as sftp:
        sftp.chdir(DIRECTORY)
        sftp.mkdir("dir")
        sftp.putfo(io.BytesIO(b"one"), "dir/a")
        sftp.rename("dir/a", "dir/b")
        sftp.posix_rename("dir/b", "dir/c")
        sftp.chmod("dir/c", 0o640)
        sftp.truncate("dir/c", 2)
        sftp.utime("dir/c", (1, 2))
        status = sftp.stat("dir/c")
        assert (stat.S_IMODE(status.st_mode), status.st_size, status.st_mtime) == (0o640, 2, 2)
        sftp.symlink("c", "dir/link")
        assert sftp.readlink("dir/link") == "c"
        assert stat.S_ISLNK(sftp.lstat("dir/link").st_mode)
        assert sorted(sftp.listdir("dir")) == ["c", "link"]
        for name in ("dir/link", "dir/c"):
            sftp.remove(name)
        sftp.rmdir("dir")
        try:
            sftp.stat("dir")
            raise AssertionError("it is still there")
        except FileNotFoundError:
            pass


@check
def talks_with_a_terminal(client):
    channel = client.invoke_shell(term="xterm", width=100, height=40)
    channel.settimeout(20)
    channel.resize_pty(width=90, height=30)
    channel.send(b"stty size; echo $((40 + 2)) is it; exit 3\n")
    said = b""
    while True:
        piece = channel.recv(4096)
        if not piece:
            break
        said += piece
    assert b"30 90" in said and b"42 is it" in said, said
    assert channel.recv_exit_status() == 3


@check
def forwards_a_connection(client):
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        channel = client.get_transport().open_channel("direct-tcpip", (HOST, port), (HOST, 1), timeout=20)
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"to the client")
            assert channel.recv(100) == b"to the client"
            channel.sendall(b"to the server")
            assert peer.recv(100) == b"to the server"


@check
def stays_through_new_keys(client):
    started = time.monotonic()
    client.get_transport().renegotiate_keys()
    _, out, _ = client.exec_command("echo still here", timeout=20)
    assert out.read() == b"still here\n" and time.monotonic() - started < 20


run("paramiko", one)
