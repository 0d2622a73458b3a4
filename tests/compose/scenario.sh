#!/usr/bin/env bash
# The two-tier example on a running compose project (COMPOSE_PROJECT_NAME says which): apply it, ask for it by every way in,
# kill the services, ask again, and ask the name server while etcd is frozen.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/env.sh"
cd "$ROOT"

ZONE=svc.cluster.local
SETTLE_SECONDS=10

compose() { docker compose --progress quiet "$@"; }
polder() { docker compose exec -T gateway polder "$@"; }
port() { docker compose port "$@" | sed 's/.*://'; }

# column SERVICE N: a field of the line `get services` prints for it.
column() { polder get services -n shop --no-headers | awk -v name="$1" -v n="$2" '$1 == name { print $n }'; }

# What must never change once it was given out.
addresses() { echo "$(column web 3) $(column web 4) $(column db 3)"; }

ask() { dig +short +time=2 +tries=1 -p "$dns_port" @127.0.0.1 "$@"; }

# expect WHAT WANTED COMMAND...: waits until the command prints what is wanted; a name follows its service within moments.
expect() {
    local what=$1 wanted=$2 got deadline=$((SECONDS + SETTLE_SECONDS))
    shift 2
    while got=$("$@" 2>&1 || true); [ "$got" != "$wanted" ]; do
        [ "$SECONDS" -lt "$deadline" ] || die "$what: wanted '$wanted', got '$got'"
        sleep 0.2
    done
    say "ok: $what: $wanted"
}

address() { [[ $1 =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "$2 is no address: '$1'"; }

read_ports() {
    dns_port=$(port --protocol udp dns 53)
    dns_tcp_port=$(port --protocol tcp dns 53)
    http_port=$(port gateway 7650)
}

names_answer() {
    expect "db's name" "$db_ip" ask "db.shop.$ZONE"
    expect "web's name" "$web_ip" ask "web.shop.$ZONE"
    expect "web's address backwards" "web.shop.$ZONE." ask -x "$web_ip"
}

main() {
    polder apply -f - <examples/two-tier.yaml
    web_ip=$(column web 3) web_vip=$(column web 4) db_ip=$(column db 3)
    address "$web_ip" "web's cluster address"
    address "$web_vip" "web's external address"
    address "$db_ip" "db's cluster address"

    read_ports
    names_answer
    expect "db's name over TCP" "$db_ip" dig +short +tcp +time=2 +tries=1 -p "$dns_tcp_port" @127.0.0.1 "db.shop.$ZONE"
    curl -fsS --max-time 5 "http://127.0.0.1:$http_port/openapi.json" | grep -q '"openapi"' || die "the gateway serves no OpenAPI document"

    compose kill --signal KILL ipam lb dns gateway
    compose up --detach --no-build --pull never --wait --wait-timeout 60
    read_ports
    expect "the addresses after a kill" "$web_ip $web_vip $db_ip" addresses
    names_answer

    compose pause etcd
    names_answer
    compose unpause etcd
    say "the two-tier example passes on the compose project"
}

main "$@"
