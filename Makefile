# `make test` checks everything on a bare Debian, `make lab` gives people a server to try the bot on.
SHELL := /bin/bash
# Where rustup puts cargo, for a shell that has not been started anew since.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Runs a command and says how long it took, so that a phase that eats the budget is seen.
phase = @$(1) || exit; echo "budget: $$SECONDS s  $(1)"

.PHONY: test docs lab torture

test:
	@mkdir -p target && date +%s >target/started
	$(call phase,tools/install.sh)
	$(call phase,cargo fmt --check)
	$(call phase,cargo clippy --all-targets -- -D warnings)
	$(call phase,cargo build)
	$(call phase,cargo test)
	@echo "budget: $$(($$(date +%s) - $$(cat target/started))) s  in all"

# The pages that are made from tables in the source; a test says when they are not up to date.
docs:
	cargo run --quiet --example docs

# Ann, Ben, an encrypted room and the bot on a homeserver of their own; Ctrl-C leaves nothing behind.
lab:
	@tools/install.sh
	cargo build
	cargo run --example lab

# More than `make test` has time for: kills at random moments of bursts, a day with hourly restarts, floods of
# invitations, a storm of webhooks, 40 power cuts of each kind, 200 flipped bits, a minute of each fuzz target. Prints its figures;
# BEADLE_SEED=n repeats the moments of a run.
torture:
	@tools/install.sh
	BEADLE_TORTURE=1 cargo test --test it -- day:: faults:: matrix::kill matrix::invites web::storm --nocapture --test-threads=1
	tools/fuzz.sh
