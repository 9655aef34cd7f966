# Forwards a port of the pod, says what answers there, and ends.
# Where it listens comes by a pipe that nobody else writes to, and is waited for. A file would not do: a background command
# empties its own once it runs, and until then it holds where the kubectl of the command before has listened.
exec 4< <(exec kubectl port-forward pod/web "0:$1" 2>errors)
pid=$!
# Forwarding from 127.0.0.1:PORT -> ...
if ! read -r _ _ address _ <&4; then
  echo "kubectl listens nowhere"
  cat errors
  exit 1
fi
port=${address##*:}
if [ "$1" = 7 ]; then
  heard=$({ echo "an echo" >&0 && head -n 1; } 0<>"/dev/tcp/127.0.0.1/$port")
else
  # Whether a kubectl that ends closes the connection or resets it is chance: 52 or 56.
  heard=$(curl -s --max-time 10 "http://127.0.0.1:$port/" || echo "curl ends with $?" | sed 's/56/52/')
fi
echo "$heard"
kill "$pid" 2>/dev/null # a port that refuses has ended it
wait "$pid" 2>/dev/null
if [ "$heard" != "an echo" ] && [ "$heard" != "from a pod" ]; then
  grep -o 'error forwarding port.*' errors || cat errors
fi
