# Every chore of the project. `just --list` shows them.

# The walkthrough's experiment, with figures in out/php-apache.
run scenario="php-apache":
    cargo run --release -- run scenarios/{{scenario}}

# All tests of what is built by default.
test:
    cargo test

# What CI runs.
ci:
    bash .ci/run

# Formatting and lints.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# Every problem of a scenario, and settings that do not do what they seem to.
check scenario="php-apache":
    cargo run --release -- check scenarios/{{scenario}}

# The model's decisions against another set of golden vectors.
golden dir:
    SCALETWIN_GOLDEN={{dir}} cargo test -p scaletwin-tests --test conformance

# The kernel beside its peers, whole runs beside their aims.
bench:
    cargo build --release
    CARGO_TARGET_DIR=target cargo run --release --manifest-path benches/Cargo.toml

# The dashboard again, from the files of a finished run.
plot scenario="php-apache":
    cargo run --release -- plot out/{{scenario}} --overlay scenarios/{{scenario}}/measured/timeline

# Simulated against measured, for every scenario that has measured curves.
accuracy:
    cargo run --release -- accuracy

# A real control plane on loopback (tests/stack): built once, some 40 minutes of CPU the first time.
stack-build *parts:
    cd tests/stack/launcher && go run . build {{parts}}

# Start it with the machines and delays of a scenario, and wait until it is healthy.
stack-up scenario="php-apache-rehearsal" *parts:
    cargo run --release --features live -- live kwok scenarios/{{scenario}} --out out/stack-{{scenario}}
    cd tests/stack/launcher && go run . up --rehearsal ../../../out/stack-{{scenario}} {{parts}}

# The data plane of that control plane, in the foreground.
stack-traffic scenario="php-apache-rehearsal":
    cargo run --release --features live -- live traffic scenarios/{{scenario}} --kubeconfig "${SCALETWIN_STACK:-$HOME/.cache/scaletwin/stack}/run/pki/admin.kubeconfig"

# All of it: a stack of its own, a live run, its simulation, the comparison with every shadow; some nine minutes.
rehearse out="out/rehearsal":
    STRICT=1 tests/stack/rehearse {{out}}

# Stop it and throw its data away.
stack-down:
    cd tests/stack/launcher && go run . down
