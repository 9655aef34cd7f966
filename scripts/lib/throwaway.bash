# Sourced by scripts that need a throw-away PostgreSQL on loopback, and Portcullis before it.
#
# `work` is a directory that the server's user can reach; it goes when the script ends, with all that `started`
# or a function here put into `pids`. Nothing outside of it is written, and nobody else's server is touched.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d /tmp/portcullis-XXXXXX)
chmod 755 "$work"
pids=()
superuser=testkit
password=$(head -c 9 /dev/urandom | base64 | tr '+/' 'ab') # 12 letters

fail() { echo "error: $*" >&2; exit 1; }

throwaway_end() {
  local status=$? pid data
  trap - EXIT INT TERM
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for data in "$work"/*/postmaster.pid; do # it would wait for its clients
    [ -f "$data" ] && kill -QUIT "$(head -n 1 "$data")" 2>/dev/null || true
  done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; } # the server may still be leaving its directory
  exit "$status"
}
trap throwaway_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# PostgreSQL refuses to run as root.
server_user=$(id -un)
[ "$(id -u)" -ne 0 ] || server_user=nobody
as_server() {
  if [ "$(id -u)" -eq 0 ]; then
    setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups -- env HOME="$work" "$@"
  else
    "$@"
  fi
}

free_port() { # one that nobody listens on
  local port
  while :; do
    port=$((20000 + RANDOM % 12000)) # below those that the kernel gives to clients
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

listening() { # waits until a port is taken, and the process that should take it lives
  local port=$1 pid=$2 tries=0
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || return 1
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || return 1
    sleep 0.05
  done
}

# server NAME BIN [SETTING…]: a cluster in $work/NAME that lets its superuser in without a password.
# Sets `pg_port`.
server() {
  local name=$1 bin=$2 setting
  shift 2
  pg_port=$(free_port)
  install -d -o "$server_user" -m 700 "$work/$name"
  as_server "$bin/initdb" --no-sync -D "$work/$name" -U "$superuser" -A trust -E UTF8 --locale=C \
    >"$work/$name.initdb.log" 2>&1 || { cat "$work/$name.initdb.log" >&2; fail "initdb failed"; }
  for setting in "listen_addresses = '127.0.0.1'" "port = $pg_port" "unix_socket_directories = ''" "fsync = off" "$@"; do
    echo "$setting"
  done | as_server tee -a "$work/$name/postgresql.conf" >/dev/null
  as_server "$bin/postgres" -D "$work/$name" >"$work/$name.log" 2>&1 &
  pids+=("$!")
  listening "$pg_port" "$!" || { tail -n 20 "$work/$name.log" >&2; fail "PostgreSQL did not start"; }
  until psql -X -q -h 127.0.0.1 -p "$pg_port" -U "$superuser" -d postgres -c '' 2>/dev/null; do sleep 0.05; done
}

# gateway NAME POLICY DATABASE…: Portcullis in $work/NAME before the last server, with the superuser's name as its user
# (in the group `eng`) and $password as that user's. Sets `gw_port`.
gateway() {
  local name=$1 policy=$2 at=$work/$1 database
  shift 2
  gw_port=$(free_port)
  mkdir -m 700 "$at"
  cp "$policy" "$at/all.policy"
  {
    printf 'policies = ["all.policy"]\nevidence = "evidence"\nworkers = 2\n'
    printf '[listen]\npostgres = "127.0.0.1:%s"\n[tls]\nrequired = false\n[log]\nlevel = "info"\n' "$gw_port"
    for database in "$@"; do
      printf '[[target]]\nname = "%s"\nprotocol = "postgres"\naddress = "127.0.0.1:%s"\n' "$database" "$pg_port"
      printf 'user = "%s"\ntls = { mode = "disable" }\n' "$superuser"
    done
  } >"$at/portcullis.toml"
  local portcullis=${PORTCULLIS_BIN:-$root/target/release/portcullis}
  PORTCULLIS_PASSWORD=$password "$portcullis" user add "$superuser" --group eng --config "$at/portcullis.toml" \
    >"$at/user.log" 2>&1 || { cat "$at/user.log" >&2; fail "no user was added"; }
  "$portcullis" serve --config "$at/portcullis.toml" >"$at/gateway.log" 2>&1 &
  pids+=("$!")
  listening "$gw_port" "$!" || { tail -n 20 "$at/gateway.log" >&2; fail "Portcullis did not start"; }
}
