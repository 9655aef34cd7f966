#!/bin/sh
# Runs one kube-apiserver with its etcd for as long as its standard input stays open, then ends both and removes everything.
# Whoever started it holds the other end, which the kernel closes however that process dies.
# Says `ready` or why not on its standard output.
# usage: supervise.sh DIRECTORY BINDIR PORT ETCD-PORT ETCD-PEER-PORT USER   (USER is empty unless the caller is root)
set -eu
dir=$1 bin=$2 port=$3 etcd_port=$4 peer_port=$5 user=$6
exec 2>"$dir/supervisor.log"
etcd= server= lease=

# Replaces the (sub)shell that calls it. The server gets a signal when this shell dies, however it dies.
become() {
    if [ -n "$user" ]; then
        exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --pdeathsig KILL -- "$@"
    else
        exec setpriv --pdeathsig KILL -- "$@"
    fi
}

end() {
    trap '' INT TERM HUP # whoever is in a hurry waits for the rest
    [ -z "$lease" ] || kill "$lease" 2>/dev/null || true
    # There is nothing to save, and an orderly end waits a minute for watches to end.
    for one in $server $etcd; do
        kill -KILL "$one" 2>/dev/null || true
        wait "$one" 2>/dev/null || true
    done
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 1' INT TERM HUP

# until_ready NAME PID COMMAND…
until_ready() {
    name=$1 pid=$2
    shift 2
    tries=0
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || { echo "$name ended: $(tail -n 3 "$dir/kept/$name.log" | tr '\n' ' ')"; exit 1; }
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { echo "$name did not answer within a minute or two"; exit 1; }
        sleep 0.1
    done
}

[ -z "$user" ] || chown -R "$user" "$dir/kept"
here=http://127.0.0.1:$etcd_port
peer=http://127.0.0.1:$peer_port
become "$bin/etcd" --data-dir "$dir/kept/etcd" --listen-client-urls "$here" --advertise-client-urls "$here" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" \
    >"$dir/kept/etcd.log" 2>&1 </dev/null &
etcd=$!
until_ready etcd "$etcd" curl -sf "$here/health"

# No service account comes without a controller; and no node or load balancer would ever reach this address.
become "$bin/kube-apiserver" --etcd-servers "$here" --bind-address 127.0.0.1 --secure-port "$port" \
    --advertise-address 192.0.2.1 --endpoint-reconciler-type none \
    --tls-cert-file "$dir/kept/server.crt" --tls-private-key-file "$dir/kept/server.key" --cert-dir "$dir/kept" \
    --service-cluster-ip-range 10.96.0.0/24 --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$dir/kept/accounts.crt" --service-account-signing-key-file "$dir/kept/accounts.key" \
    --token-auth-file "$dir/kept/tokens" --authorization-mode RBAC --disable-admission-plugins ServiceAccount \
    --allow-privileged >"$dir/kept/kube-apiserver.log" 2>&1 </dev/null &
server=$!
until_ready kube-apiserver "$server" curl -sf --cacert "$dir/kept/authority.crt" "https://127.0.0.1:$port/readyz"
echo ready
exec >/dev/null
# Not in the foreground, where no signal would be heard.
exec 3<&0
cat <&3 >/dev/null &
lease=$!
wait "$lease"
