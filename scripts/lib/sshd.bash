# Sourced by scripts that need a throw-away sshd on loopback: the testkit's own, with its configuration and supervisor
# (proxies/testkit/src/ssh). It ends with the script, however that ends.

# Root's tests log in as somebody else, because an sshd that can do less lets in only its own user.
ssh_account() {
  [ "$(id -u)" -eq 0 ] || { id -un; return; }
  [ -z "${PORTCULLIS_TEST_SSH_USER:-}" ] || { echo "$PORTCULLIS_TEST_SSH_USER"; return; }
  getent passwd | awk -F: '
    $7 ~ /sh$/ && $1 == "postgres" { first = $1 }
    $7 ~ /sh$/ && $3 >= 1000 && !other { other = $1 }
    END { print first ? first : other }'
}

# ssh_server WORK: a server that keeps its things in a directory of its own, and lets `ssh_user` in with the key
# WORK/id_ed25519; WORK/known_hosts knows it. Sets `ssh_port`, `ssh_user` and `ssh_home`, where that user may write.
ssh_server() {
  local work=$1 kit dir sshd said
  kit=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../proxies/testkit/src/ssh" && pwd)
  dir=$(mktemp -d /tmp/portcullis-sshd-XXXXXX)
  chmod 755 "$dir"
  mkdir -m 755 "$dir/home"
  mkdir -m 700 "$dir/host"
  : >"$dir/log"
  ssh-keygen -q -t ed25519 -N '' -C '' -f "$dir/host/0"
  ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/id_ed25519"
  cp "$work/id_ed25519.pub" "$dir/authorized_keys"
  { echo "HostKey $dir/host/0"; sed -e "s|SFTP_SERVER|$(ssh_sftp_server)|; s|DIRECTORY|$dir|g; s|LEVEL|VERBOSE|" "$kit/sshd_config"; } \
    >"$dir/sshd_config"
  for said in .bashrc .bash_profile; do echo 'cd "$HOME"; PS1="$ "; unset HISTFILE' >"$dir/home/$said"; done

  ssh_user=$(ssh_account)
  ssh_home=$dir/home
  ssh_port=$(free_port)
  sshd=$(PATH=$PATH:/usr/sbin command -v sshd) || fail "no sshd is installed"
  mkfifo "$work/lease" "$work/said"
  setsid sh "$kit/supervise.sh" "$dir" "$sshd" "$ssh_port" "$([ "$(id -u)" -ne 0 ] || echo "$ssh_user")" \
    <"$work/lease" >"$work/said" &
  pids+=("$!")
  exec {ssh_lease}>"$work/lease" # the server's for as long as this is open
  read -r said <"$work/said" || true
  [ "$said" = ready ] || fail "sshd did not start: $said"
  echo "[127.0.0.1]:$ssh_port $(cut -d' ' -f1,2 "$dir/host/0.pub" 2>/dev/null)" >"$work/known_hosts"
}

# ssh_gateway WORK POLICY: Portcullis in WORK/gateway before the last server, which it knows as `box` and has the only key to.
# Its user `ana`, of the group `eng`, comes in with WORK/id_client; WORK/known_gateway knows it. Sets `gw_port` and `gw_user`.
ssh_gateway() {
  local work=$1 policy=$2 at=$1/gateway portcullis=${PORTCULLIS_BIN:-$root/target/release/portcullis}
  gw_port=$(free_port)
  gw_user=ana:box
  mkdir -m 700 "$at"
  cp "$policy" "$at/all.policy"
  ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/id_client"
  {
    printf 'policies = ["all.policy"]\nevidence = "evidence"\nstate = "state"\nworkers = 2\n'
    printf '[listen]\nssh = "127.0.0.1:%s"\n[log]\nlevel = "info"\n' "$gw_port"
    printf '[[target]]\nname = "box"\nprotocol = "ssh"\naddress = "127.0.0.1:%s"\nuser = "%s"\n' "$ssh_port" "$ssh_user"
    printf 'credential = { file = "%s" }\nhost_keys = ["%s"]\n' "$work/id_ed25519" "$(cut -d' ' -f2,3 "$work/known_hosts")"
  } >"$at/portcullis.toml"
  {
    PORTCULLIS_PASSWORD=$password "$portcullis" user add ana --group eng --config "$at/portcullis.toml" &&
      "$portcullis" user key add ana "$work/id_client.pub" --config "$at/portcullis.toml"
  } >"$at/user.log" 2>&1 || { cat "$at/user.log" >&2; fail "no user was added"; }
  "$portcullis" serve --config "$at/portcullis.toml" >"$at/gateway.log" 2>&1 &
  pids+=("$!")
  listening "$gw_port" "$!" || { tail -n 20 "$at/gateway.log" >&2; fail "Portcullis did not start"; }
  echo "[127.0.0.1]:$gw_port $(cut -d' ' -f1,2 "$at/state/ssh_host_key.pub")" >"$work/known_gateway"
}

ssh_sftp_server() {
  local path
  for path in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server; do
    [ ! -x "$path" ] || { echo "$path"; return; }
  done
  fail "no sftp-server is installed"
}
