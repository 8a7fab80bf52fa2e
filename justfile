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

# All tests.
test:
    cargo test --workspace

# Bring the real registries that the peer scenarios run against, and run them.
peers:
    bash scenarios/peers/install
    cargo run --release -- loadtest scenarios/peers/mcp-mesh.toml
    cargo test -p agent-sim --features agent-sim/peers --test all real_mcp_mesh
    cargo test --release --features peers --test peers

# The whole gate, as CI runs it.
ci:
    bash .ci/run
