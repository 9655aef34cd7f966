#!/bin/sh
# Runs one sshd for as long as its standard input stays open, then ends it and what its sessions started, and removes
# everything. Whoever started it holds the other end, which the kernel closes however that process dies.
# Says `ready` or why not on its standard output.
# usage: supervise.sh DIRECTORY SSHD PORT USER   (USER is empty unless the caller is root)
set -eu
dir=$1 sshd=$2 port=$3 user=$4
exec 2>"$dir/supervisor.log"
server= lease=
if [ -n "$user" ]; then
    groups=$(id -G "$user" | tr ' ' ',')
    # Where terminals are not made with the group `tty`, sshd gives it to them, which takes a member to do.
    tty=$(getent group tty | cut -d: -f3)
    groups=$groups${tty:+,$tty}
fi

# Replaces the (sub)shell that calls it. The server gets a signal when this shell dies, however it dies.
become() {
    if [ -n "$user" ]; then
        exec setpriv --reuid "$user" --regid "$(id -g "$user")" --groups "$groups" --pdeathsig TERM -- "$@"
    else
        exec setpriv --pdeathsig TERM -- "$@"
    fi
}

end() {
    trap '' INT TERM HUP # whoever is in a hurry waits for the rest
    [ -z "$lease" ] || kill "$lease" 2>/dev/null || true
    if [ -n "$server" ]; then
        # Sessions first: without their parent they would be nobody's children any more. It sees to their ends.
        tries=0
        while sessions=$(cat "/proc/$server/task/$server/children" 2>/dev/null) && [ -n "$sessions" ]; do
            for session in $sessions; do kill -TERM "$session" 2>/dev/null || true; done
            tries=$((tries + 1))
            [ "$tries" -lt 100 ] || break
            sleep 0.01
        done
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    # What a session left behind (`nohup`, a shell whose client is gone) is known by a variable that only it has.
    for left in $(grep -lsz "^PORTCULLIS_SSHD=$dir\$" /proc/[0-9]*/environ 2>/dev/null); do
        left=${left#/proc/}
        kill -KILL "${left%/environ}" 2>/dev/null || true
    done
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 1' INT TERM HUP

if [ -n "$user" ]; then
    chown -R "$user" "$dir/home" "$dir/host" "$dir/log"
fi
# It arrived in 9.8, and would punish a test's own address for what hostile clients do.
penalties=
if (become "$sshd" -t -f "$dir/sshd_config" -o PerSourcePenalties=no) 2>/dev/null; then
    penalties=-oPerSourcePenalties=no
fi
become "$sshd" -D -f "$dir/sshd_config" -p "$port" -E "$dir/log" ${penalties:+"$penalties"} </dev/null >/dev/null &
server=$!
tries=0
until grep -qs "Server listening on 127.0.0.1 port $port\\." "$dir/log"; do
    if ! kill -0 "$server" 2>/dev/null; then
        server=
        echo "it ended: $(tail -n 3 "$dir/log" "$dir/supervisor.log" | tr '\n' ' ')"
        exit 1
    fi
    tries=$((tries + 1))
    [ "$tries" -lt 1000 ] || { echo "it did not listen within 20 s"; exit 1; }
    sleep 0.02
done
echo ready
exec >/dev/null
# Not in the foreground, where no signal would be heard.
exec 3<&0
cat <&3 >/dev/null &
lease=$!
wait "$lease"
