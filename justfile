# Each recipe wraps one command; none is needed.

# Serve the reference registry.
serve *ARGS:
    cargo run --release -- serve {{ARGS}}

# Run a load test: just loadtest scenarios/quickstart.toml
loadtest SCENARIO="scenarios/quickstart.toml" *ARGS:
    cargo run --release -- loadtest {{SCENARIO}} {{ARGS}}

# Judge a registry by the contract; without --target the reference.
conformance *ARGS:
    cargo run --release -- conformance {{ARGS}}

# Judge the registries that are found here, and write docs/peers-conformance.md.
peers-conformance *ARGS:
    bash scenarios/peers/install mcp-mesh etcd
    cargo run --release -- conformance-page {{ARGS}}

# Every speed goal beside a yardstick in the same run: just bench --only lean,head
bench *ARGS:
    cargo build --release
    cargo run --release -p bench -- {{ARGS}}

# All tests.
test:
    cargo test --workspace

# Run one scenario on every registry that is found here, and print one table; scenarios/peers/install brings more.
peers *ARGS:
    bash scenarios/peers/install mcp-mesh
    cargo run --release -- peers {{ARGS}}

# Hold the real registries to what is known of them.
peers-test:
    bash scenarios/peers/install mcp-mesh etcd
    cargo test --workspace --test all -- --ignored real_

# The report and the registry's page in a real browser.
browser:
    cargo build
    bash .ci/browser target/debug/wallflower

# The README's pictures and the live view in it, made anew.
pictures:
    cargo build --release
    ONLY=pictures bash .ci/browser target/release/wallflower "$PWD/docs/pictures"
    WALLFLOWER="$PWD/target/release/wallflower" cargo test --test all -- --ignored the_readme_shows_the_live_view

# The whole gate, as CI runs it.
ci:
    bash .ci/run
