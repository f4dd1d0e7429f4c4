#!/usr/bin/env bash
# Keeps data directories of today's format in tests/fixtures/directories/<version>: run it before the format changes.
#
# closed.tar.gz was ended in order, killed.tar.gz was not; beside each stands what a full read gives.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# -eq 1 ] || { echo "usage: tools/keep-directory.sh v2" >&2; exit 2; }
to=tests/fixtures/directories/$1
[ ! -e "$to" ] || { echo "error: $to is kept already; what is kept is never changed" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo run --quiet -- --data "$work/closed" >/dev/null
cargo run --quiet --example keep_directory -- "$work/closed" "$work/killed"
rm -f "$work"/*/lock
# Keys that nothing uses yet are random bytes that take room in the repository; a log makes new ones when it needs them.
truncate -s $((300 * 36)) "$work"/*/keys.bin
mkdir -p "$to"
for name in closed killed; do
    tar -C "$work/$name" --sort=name --owner=0 --group=0 --numeric-owner -cf - . | gzip -9n >"$to/$name.tar.gz"
    gzip -9n <"$work/$name.jsonl" >"$to/$name.jsonl.gz"
done
ls -l "$to"
