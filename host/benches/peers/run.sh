#!/usr/bin/env bash
# Jobs per second of other job queues for PostgreSQL and of the bare statements, in turns on one server:
#
#   host/benches/peers/run.sh postgres://user@host/database
#
# Each makes a schema of its own, peers_..., and drops it; one left by an interrupted run is replaced.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 postgres://..." >&2; exit 2; }
url=$1
cd "$(dirname "$0")"

rounds=5
peers=(raw-update raw-delete stagegate-keep stagegate-delete graphile_worker graphile-worker pg-boss)

cargo build --release --locked --quiet
npm ci --silent
bin=${CARGO_TARGET_DIR:-target}/release/stagegate-peers
# The npm packages ask for Node 22; on 20 they run, but a third slower.
node=$(command -v node)
"$node" -e 'process.exit(process.versions.node.split(".")[0] < 22 ? 1 : 0)' ||
  node=$(npx --yes --package=node@24.21.0 -- node -p process.execPath)

run() {
  case $1 in
    raw-* | stagegate-*) "$bin" "$1" "$url" ;;
    graphile_worker) "$bin" graphile-worker "$url" ;;
    *) "$node" "$1.mjs" "$url" ;;
  esac
}

version() {
  case $1 in
    raw-*) echo "claim 100, one ${1#raw-} a batch" ;;
    stagegate-*) echo "this, jobs ${1#stagegate-}" ;;
    graphile_worker) grep -A1 '^name = "graphile_worker"$' Cargo.lock | sed -n 's/^version = "\(.*\)"/crate \1/p' ;;
    *) echo "npm $("$node" -p "require('./node_modules/$1/package.json').version")" ;;
  esac
}

results=$(mktemp)
trap 'rm -f "$results"' EXIT
for ((round = 0; round < rounds; round++)); do
  for ((i = 0; i < ${#peers[@]}; i++)); do
    # The order moves on by one in each round.
    peer=${peers[$(((i + round) % ${#peers[@]}))]}
    rate=$(run "$peer")
    echo "$round $peer $rate" >>"$results"
    echo "round $((round + 1)): $peer $rate" >&2
  done
done

"$node" --input-type=module - "$url" <<'JS'
import pg from "pg";
const client = new pg.Client(process.argv[2]);
await client.connect();
const setting = async (name) => (await client.query(`SHOW ${name}`)).rows[0][name];
console.log(
  `PostgreSQL ${await setting("server_version")}, synchronous_commit ${await setting("synchronous_commit")}, ` +
    `fsync ${await setting("fsync")}; Node ${process.version}; 100 000 jobs, 2 workers, 5 rounds`,
);
await client.end();
JS
printf '\n%-16s  %-30s  %8s  %-16s  %s\n' peer version jobs/s '(min..max)' 'of raw-update, same round'
for peer in "${peers[@]}"; do
  awk -v peer="$peer" -v version="$(version "$peer")" '
    function median(values, n) { return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2 }
    function sort(values, n,   i, j, swap) {
      for (i = 1; i < n; i++) for (j = i + 1; j <= n; j++)
        if (values[j] < values[i]) { swap = values[i]; values[i] = values[j]; values[j] = swap }
    }
    $2 == "raw-update" { floor[$1] = $3 }
    $2 == peer { rate[$1] = $3; rates[++n] = $3 }
    END {
      for (round in rate) ratios[++m] = rate[round] / floor[round]
      sort(rates, n); sort(ratios, m)
      printf "%-16s  %-30s  %8d  %-16s  %.2f\n", peer, version, median(rates, n),
        "(" rates[1] ".." rates[n] ")", median(ratios, m)
    }' "$results"
done
