# Short names for the commands of CONTRIBUTING.md. `just` lists them.

# lists the recipes
default:
    @just --list --unsorted

# the rules and the readers of foreign formats: no database, no tools of other languages
test *ARGS:
    cargo test -p rules -p shopify -p cases -p sample-shop -p demo -p reference -p pure-tests {{ARGS}}

# every test
test-all *ARGS:
    tests/run {{ARGS}}

# format and lints
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# shows what the engine does, on a made-up shop
demo:
    cargo run --release -p demo

# one seed of the simulator, with the logs of the functions
sim SEED:
    cargo run --release --bin simulate -- --seed {{SEED}} --log

# fuzzes a target of tests/fuzz
fuzz TARGET *ARGS:
    tests/fuzz/run {{TARGET}} {{ARGS}}

# the figures of docs/benchmarks.md
bench *ARGS:
    cargo bench -p tests {{ARGS}}

# everything that a change must pass
ci:
    .ci/run

# a group of .config/nextest.toml: default, tables or served (needs cargo-nextest)
group NAME *ARGS:
    cargo nextest run --profile {{NAME}} {{ARGS}}
