#!/usr/bin/env bash
# Runs every fuzz target for a minute, or for as many seconds as it is given, beginning with the kept corpus.
#
# cargo-fuzz and a nightly compiler are installed if they are missing. What is found is left in `target/fuzz-artifacts/`:
# keep it in `tests/corpus/<target>/`, where `make test` reads it for ever.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
have() { command -v "$1" >/dev/null 2>&1; }

if ! rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    have rustup || { echo "fuzz: error: rustup is missing: cargo-fuzz needs a nightly compiler" >&2; exit 1; }
    echo "fuzz: rustup toolchain install nightly"
    rustup toolchain install nightly --profile minimal
fi
if ! have cargo-fuzz; then
    echo "fuzz: cargo install cargo-fuzz --locked"
    cargo install cargo-fuzz --locked
fi
# The same versions of everything as the program has.
[ -e fuzz/Cargo.lock ] || cp Cargo.lock fuzz/Cargo.lock
for target in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$target" .rs)
    mkdir -p "target/fuzz-corpus/$target" "target/fuzz-artifacts/$target"
    kept=tests/corpus/$target
    [ -d "$kept" ] || kept=
    echo "fuzz: $target, $seconds s"
    cargo +nightly fuzz run --target-dir target/fuzz "$target" "target/fuzz-corpus/$target" $kept -- \
        -max_total_time="$seconds" -max_len=16384 -artifact_prefix="target/fuzz-artifacts/$target/" -print_final_stats=1
done
