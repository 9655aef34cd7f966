# make demo   set up, then show the main job on real input, narrated
# make test   set up, then run every test, those against a real PostgreSQL included
# make test-kills   kill gateways 200 times under load: every effect has its record (minutes)
# make test-postgres-18   the proxy's tests before a PostgreSQL 18 server (from PyPI)
# make test-clients   real drivers at work through the gateway: Python's, Node's, JDBC (from PyPI, npm, Debian)
# make test-ssh-clients   paramiko, asyncssh, ansible and ssh-audit at work with SSH (from PyPI)
# make test-ssh-large   a gigabyte there and back, a line of 100 MB, large files by scp, sftp, rsync and git (minutes)
# make test-http-origins  requests that Node's and gunicorn's servers might read in another way, through Portcullis (from PyPI)
# make test-browser   a browser's WebSockets through Portcullis (Chromium, from Debian)
# make test-agents   agents at work with the official MCP SDKs: npm's client and example server, PyPI's client and server
# make conformance-postgres   PostgreSQL's own regression suite, direct, through PgBouncer and through Portcullis
# make conformance-kubernetes   kubectl's commands against a real kube-apiserver, direct and through Portcullis (built from Debian's source; minutes, once)
# make build  portcullis, portcullis-postgres, portcullis-ssh and portcullis-http, optimised, in target/release
# make lint   formatting, clippy and documentation, all without warnings
# make bench  side by side with the programs a user would pick instead (bench-decide, bench-postgres, …)
# make fuzz   a short bounded run of every fuzz target
# make audit  advisories, licences and bans (needs cargo-deny and its database)
#
# Each target installs the system packages it lacks and says which (Debian, Ubuntu; root or sudo).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Not packages-% and bench-%: make looks up no pattern rule for a target that is declared phony.
.PHONY: help build demo test test-kills test-postgres-18 test-clients test-ssh-clients test-ssh-large test-http-origins test-browser test-agents conformance-postgres conformance-kubernetes lint bench fuzz audit FORCE

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

packages-%: FORCE
	@scripts/packages $*

build: packages-build
	cargo build --release --locked -p portcullis-cli -p portcullis-postgres -p portcullis-ssh -p portcullis-http

demo: packages-test
	cargo build --release --locked -p portcullis-cli
	scripts/demo

test: packages-test
	scripts/test

test-kills: packages-test
	PORTCULLIS_KILLS=200 cargo test --locked -p portcullis-evidence --test crash -- every_acknowledged_record
	PORTCULLIS_KILLS=200 cargo test --locked -p portcullis-postgres --test evidence -- after_kill_9

test-postgres-18: packages-python
	scripts/test-postgres-18

test-clients: packages-clients
	cargo build --release --locked -p portcullis-cli
	scripts/test-clients

test-ssh-clients: packages-python
	cargo build --release --locked -p portcullis-cli
	scripts/test-ssh-clients

test-ssh-large: packages-test
	PORTCULLIS_SSH_LARGE=1 cargo test --release --locked -p portcullis-ssh --test bastion -- --test-threads 1 round_trips without_an_end

test-http-origins: packages-origins
	scripts/test-http-origins

test-browser: packages-browser
	cargo test --locked -p portcullis-http --test proxy -- --ignored browser

test-agents: packages-agents
	scripts/test-agents

conformance-postgres: packages-conformance
	cargo build --release --locked -p portcullis-cli
	scripts/conformance

conformance-kubernetes: packages-python
	scripts/kubernetes-server
	cargo test --locked -p portcullis-testkit --test kubernetes_cluster
	cargo test --locked -p portcullis-http --test kubectl_conformance -- --nocapture

lint: packages-build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

bench: packages-bench
	scripts/bench

bench-%: packages-bench FORCE
	scripts/bench $*

fuzz: packages-test
	scripts/fuzz

audit:
	@command -v cargo-deny >/dev/null || { echo "error: cargo-deny is missing; help: cargo install cargo-deny" >&2; exit 1; }
	cargo deny check

FORCE:
