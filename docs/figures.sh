#!/usr/bin/env bash
# Measures one gopush serve with gopush bench: pushes of their own, pushes in batches, and
# fan-out; each in a fresh data folder, with machine, version and load in its lines. Run it
# with make figures, on a machine that does nothing else: README.md and docs/bench.md show
# figures of such runs. FOLDER is the disk that is measured, by default the system's for
# temporary files. It ends with the exit code of the first bench that is not well.
set -euo pipefail

: "${DURATION:=30s}" "${WARMUP:=5s}" "${SINGLE:=2000}" "${BATCH:=20000}" "${FANOUT:=20}"
gopush=${1:?the binary to measure}
folder=$(mktemp -d "${FOLDER:-${TMPDIR:-/tmp}}/gopush-figures.XXXXXX")
server=
# shellcheck disable=SC2329 # the trap calls it
clean() {
  [ -z "$server" ] || { kill -INT "$server"; wait "$server" || true; }
  rm -rf "$folder"
}
trap clean EXIT

# address NAME: of a listener, out of what the server printed.
address() { grep -o "\"$1\":\"[^\"]*\"" "$folder/banner" | head -n 1 | cut -d '"' -f 4; }

# run TITLE FLAG...: one bench against a server of its own.
run() {
  local title=$1
  shift
  mkfifo "$folder/ready"
  "$gopush" serve --data "$folder/data" --ports-from 0 --json >"$folder/ready" 2>"$folder/log" &
  server=$!
  head -n 1 "$folder/ready" >"$folder/banner"
  [ -s "$folder/banner" ] || { cat "$folder/log" >&2; exit 1; }
  printf '\n%s\n$ gopush bench %s\n' "$title" "$*"
  "$gopush" bench "$@" --duration "$DURATION" --warmup "$WARMUP" --quiet --data "$folder/data" \
    --web "http://$(address public)" --admin "http://$(address admin)" --ops "http://$(address ops)"
  kill -INT "$server"
  wait "$server"
  server=
  rm -rf "$folder/data" "$folder/ready"
}

run 'Pushes, one request each' --rate "$SINGLE" --keys 1000
run 'Pushes in batches' --rate "$BATCH" --batch --keys 5000
run 'Fan-out: each push to 50 connections' --rate "$FANOUT" --keys 10 --readers 50
