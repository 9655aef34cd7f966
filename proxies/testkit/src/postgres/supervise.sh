#!/bin/sh
# Runs one PostgreSQL for as long as anybody holds a shared lock on `$dir/users`, then removes everything.
# Started detached by the first test process of a run; says `ready` or why not on its standard output.
# usage: supervise.sh DIRECTORY BINDIR PORT USER   (USER is empty unless the caller is root)
set -eu
dir=$1 bin=$2 port=$3 user=$4
exec 2>"$dir/supervisor.log"
server=

# Replaces the (sub)shell that calls it. The server gets a signal when this shell dies, however it dies.
become() {
    if [ -n "$user" ]; then
        exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --pdeathsig INT -- "$@"
    else
        exec setpriv --pdeathsig INT -- "$@"
    fi
}

end() {
    rm -f "$dir/ready"
    [ -z "$server" ] || { kill -INT "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    rm -rf "$dir/data" "$dir/sockets" "$dir/tls"
}
trap end EXIT
trap 'exit 1' INT TERM HUP

rm -rf "$dir/data" "$dir/sockets" "$dir/ready" "$dir/tls"
mkdir "$dir/data" "$dir/sockets"
if [ -n "$user" ]; then
    chown "$user" "$dir/data" "$dir/sockets"
fi

(become "$bin/initdb" --no-sync -D "$dir/data" -U testkit --pwfile="$dir/password" -A scram-sha-256 \
    -E UTF8 --locale=C) >"$dir/initdb.log" 2>&1 || { echo "initdb failed: $(tail -n 3 "$dir/initdb.log")"; exit 1; }
cp "$dir/server.crt" "$dir/server.key" "$dir/data/"
[ -z "$user" ] || chown "$user" "$dir/data/server.crt" "$dir/data/server.key"
chmod 600 "$dir/data/server.key"
ssl=off
if [ -n "$(become "$bin/postgres" -D "$dir/data" -C ssl_library)" ]; then
    ssl=on
    : >"$dir/tls"
fi
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir/sockets'
max_connections = 300
shared_buffers = 256MB
fsync = off
ssl = $ssl
max_prepared_transactions = 10
logging_collector = off
log_min_messages = warning
CONF
cat >"$dir/data/pg_hba.conf" <<HBA
# Each way of proving a password has its own role, so that tests can choose.
host  all md5_user       127.0.0.1/32 md5
local all md5_user                    md5
host  all cleartext_user 127.0.0.1/32 password
host  all all            127.0.0.1/32 scram-sha-256
local all all                         scram-sha-256
HBA

become "$bin/postgres" -D "$dir/data" >"$dir/server.log" 2>&1 &
server=$!
tries=0
until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    kill -0 "$server" 2>/dev/null || { echo "the server ended: $(tail -n 3 "$dir/server.log")"; exit 1; }
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "the server did not answer within 30 s"; exit 1; }
    sleep 0.1
done
PGPASSWORD=$(cat "$dir/password") "$bin/psql" -q -X -h 127.0.0.1 -p "$port" -U testkit -d postgres >"$dir/roles.log" 2>&1 <<SQL ||
SET password_encryption = md5;
CREATE ROLE md5_user LOGIN PASSWORD '$(cat "$dir/password")';
RESET password_encryption;
CREATE ROLE cleartext_user LOGIN PASSWORD '$(cat "$dir/password")';
CREATE ROLE scram_user LOGIN PASSWORD '$(cat "$dir/password")';
SQL
    { echo "roles were refused: $(tail -n 3 "$dir/roles.log")"; exit 1; }
echo "$port" >"$dir/ready"
echo ready
exec >/dev/null

# A run has moments without a test process: leave only after ten seconds in a row without a user.
idle=0
exec 9>>"$dir/users"
while kill -0 "$server" 2>/dev/null; do
    sleep 1
    if flock -n -x 9; then
        idle=$((idle + 1))
        # The lock is kept while the server is taken down, so that a newcomer waits for a clean start.
        [ "$idle" -lt 10 ] || exit 0
        flock -u 9
    else
        idle=0
    fi
done
