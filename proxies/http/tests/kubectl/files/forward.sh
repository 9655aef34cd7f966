# Forwards a port of the pod, says what answers there, and ends.
forward() {
  kubectl port-forward pod/web "0:$1" >said 2>errors &
  pid=$!
  for _ in $(seq 200); do
    port=$(sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\) .*/\1/p' said)
    [ -z "$port" ] || break
    sleep 0.05
  done
}
forward "$1"
if [ "$1" = 7 ]; then
  # Once in a busy run a kubectl that had listened was gone before it was connected to, and nothing says why: one more may try.
  if ! { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; then
    wait "$pid" 2>/dev/null
    forward "$1"
    exec 3<>"/dev/tcp/127.0.0.1/$port"
  fi
  echo "an echo" >&3
  head -n 1 <&3
  exec 3>&-
else
  # Whether a kubectl that ends closes the connection or resets it is chance: 52 or 56.
  curl -s --max-time 10 "http://127.0.0.1:$port/" || echo "curl ends with $?" | sed 's/56/52/'
fi
kill "$pid" 2>/dev/null # a port that refuses has ended it
wait "$pid" 2>/dev/null
grep -o 'error forwarding port.*' errors || true
