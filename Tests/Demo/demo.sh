#!/usr/bin/env bash
# Shows what latchd is for: three real nodes, three participants, and two processes killed with kill -9.
#
#   Tests/Demo/demo.sh .build/release        the folder with latchd and latchctl
#
# Everything happens on 127.0.0.1 and in a temporary folder, and is gone afterwards, also after Ctrl-C.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
binaries=$(cd "${1:-$root/.build/release}" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/latchd-demo.XXXXXX")
ttl=2s

declare -A process=()        # name -> pid of everything that was started and still runs
declare -A client_port=() status_port=()
export SWIFT_BACKTRACE=enable=no

if [ -t 1 ]; then bold=$'\e[1m'; plain=$'\e[0m'; else bold=''; plain=''; fi
step=0
title() { step=$((step + 1)); printf '\n%s%d. %s%s\n' "$bold" "$step" "$*" "$plain"; }
tell() { printf '   %s\n' "$*"; }
indent() { sed 's/^/   /'; }

end() {
    local status=$?
    trap - EXIT INT TERM
    if [ "$status" -ne 0 ] && [ "$status" -ne 130 ]; then
        printf '\nThe demo failed. The last lines of every log:\n' >&2
        tail -n 8 "$folder"/*.log >&2 2>/dev/null || true
    fi
    local name
    for name in "${!process[@]}"; do kill -9 "${process[$name]}" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$folder"
    exit "$status"
}
trap end EXIT
trap 'exit 130' INT TERM

fail() { printf '   FAILED: %s\n' "$*" >&2; exit 1; }

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# Runs a command again and again until it succeeds: at most $1 seconds.
within() {
    local deadline=$(($(milliseconds) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(milliseconds)" -lt "$deadline" ] || return 1
        sleep 0.02
    done
}

# A port of 127.0.0.1 that nobody listens on, and that was not given out before.
used=" "
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        case $used in *" $port "*) continue ;; esac
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            used="$used$port "
            found_port=$port
            return
        fi
    done
}

latchctl() { "$binaries/latchctl" "$@" --endpoints "$endpoints"; }

# The top-level leader_id of `latchctl status --json`, or nothing while there is no healthy leader.
leader() {
    local text
    text=$(latchctl status --json --timeout 2s 2>/dev/null) || return 1
    sed -nE 's/^  "leader_id" ?: ?([0-9]+).*/\1/p' <<<"$text"
}

# Sets `holder` and `token` from `latchctl get`.
look() {
    local text
    text=$(latchctl get demo --json --timeout 2s 2>/dev/null) || return 1
    holder=$(sed -nE 's/^ *"holder" ?: ?"([^"]*)".*/\1/p' <<<"$text")
    token=$(sed -nE 's/^ *"fencing_token" ?: ?"([0-9]+)".*/\1/p' <<<"$text")
}

kill_hard() {
    local pid=${process[$1]}
    unset "process[$1]"
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
}

title "Three nodes of one cluster start, each with its own file and its own data"
script=()
for id in 1 2 3; do
    free_port; peer=$found_port
    free_port; client_port[$id]=$found_port
    free_port; status_port[$id]=$found_port
    script+=(-e "s/127\.0\.0\.1:730$id/127.0.0.1:$peer/" -e "s/127\.0\.0\.1:740$id/127.0.0.1:${client_port[$id]}/"
        -e "s/127\.0\.0\.1:750$id/127.0.0.1:${status_port[$id]}/")
done
endpoints="127.0.0.1:${client_port[1]},127.0.0.1:${client_port[2]},127.0.0.1:${client_port[3]}"
for id in 1 2 3; do
    sed "${script[@]}" -e "s|^data: .*|data: $folder/data$id|" "$root/Config/node$id.yaml" >"$folder/node$id.yaml"
    "$binaries/latchd" --config "$folder/node$id.yaml" --bootstrap >"$folder/node$id.log" 2>&1 &
    process[node$id]=$!
    tell "node $id: pid ${process[node$id]}, clients on 127.0.0.1:${client_port[$id]}, page http://127.0.0.1:${status_port[$id]}"
done

has_leader() {
    first_leader=$(leader) && [ -n "$first_leader" ]
}
within 20 has_leader || fail "no leader after 20 seconds"
latchctl status | indent

title "Three participants join the latch \"demo\": alice, bob, carol (TTL $ttl)"
for name in alice bob carol; do
    "$binaries/latchctl" hold demo --participant "$name" --ttl "$ttl" --endpoints "$endpoints" \
        >"$folder/$name.log" 2>&1 &
    process[$name]=$!
    has_joined() { grep -qE '^(HOLDING|waiting)' "$folder/$name.log"; }
    within 10 has_joined || fail "$name could not join"
    tell "$name: $(sed -nE '/^(HOLDING|waiting)/{p;q}' "$folder/$name.log")"
done
look || fail "the latch cannot be read"
[ "$holder" = alice ] || fail "alice came first, but the holder is \"$holder\""
first_token=$token
tell "${bold}$holder holds the latch with token $token.${plain}"

title "kill -9 of the Raft leader, node $first_leader (pid ${process[node$first_leader]})"
begin=$(milliseconds)
kill_hard "node$first_leader"
has_new_leader() {
    new_leader=$(leader) && [ -n "$new_leader" ] && [ "$new_leader" != "$first_leader" ]
}
within 20 has_new_leader || fail "no new leader after 20 seconds"
tell "node $new_leader leads, seen after $(($(milliseconds) - begin)) ms (latchctl's own start included)."
within 10 look || fail "the latch cannot be read"
[ "$holder" = alice ] && [ "$token" = "$first_token" ] \
    || fail "the latch changed hands: $holder with token $token, was alice with $first_token"
tell "${bold}$holder still holds the latch with token $token: a server's death changes no holder.${plain}"

title "kill -9 of the holder, $holder (pid ${process[alice]})"
begin=$(milliseconds)
kill_hard alice
has_new_holder() { look && [ -n "$holder" ] && [ "$holder" != alice ]; }
within 30 has_new_holder || fail "nobody took over after 30 seconds"
took=$(($(milliseconds) - begin))
[ "$holder" = bob ] || fail "bob waited longest, but the holder is \"$holder\""
[ "$token" -gt "$first_token" ] || fail "the token went from $first_token to $token"
tell "${bold}$holder holds the latch with token $token, seen after $took ms (the TTL is $ttl).${plain}"
tell "Whoever still acts for alice presents $first_token, and a guarded store refuses it: $first_token < $token."

title "The killed node comes back and catches up"
"$binaries/latchd" --config "$folder/node$first_leader.yaml" >>"$folder/node$first_leader.log" 2>&1 &
process[node$first_leader]=$!
disown # its end is ours, and nothing to report
is_back() { [ "$(latchctl status --timeout 2s 2>/dev/null | grep -cE ' ready$')" -eq 3 ]; }
within 20 is_back || fail "node $first_leader did not catch up"
latchctl status | indent
latchctl get demo | indent

title "Why is it so? The ledger tells, on every node"
latchctl why demo | indent

# Somebody is there to look: the cluster goes on until they have seen enough.
if [ -t 0 ] && [ -t 1 ]; then
    printf '\n%sThe cluster still runs: look at http://127.0.0.1:%s in a browser. Enter ends it.%s ' \
        "$bold" "${status_port[1]}" "$plain"
    read -r _ || true
fi

printf '\nDone; every process is ended and the data is removed.\n'
