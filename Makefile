# trackerd. `make run` builds and starts a tracker on port 6969, `make test` runs every test;
# `make help` lists the rest.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
RELEASE := target/release/trackerd
VERSION = $(shell sed -n '/^version/{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
SHARE = $(DESTDIR)$(PREFIX)/share
BASH_COMPLETION = $(SHARE)/bash-completion/completions/trackerd
ZSH_COMPLETION = $(SHARE)/zsh/site-functions/_trackerd
FISH_COMPLETION = $(SHARE)/fish/vendor_completions.d/trackerd.fish

# The feature sets that are tested: all, the small build, and those in between.
FEATURES_ROUTER := --no-default-features --features router
# All but the meta-tracker, to see what it costs.
FEATURES_WITHOUT_META = $(shell sed -n '/^default = \[/,/^\]/s/^ *"\(.*\)",/\1/p' Cargo.toml | \
	grep -vx 'meta\|dht\|pex' | paste -sd, -)

.PHONY: help run build router test check fmt clippy licences unit models miri scenarios clients beside operators \
	bus meta functional torture fuzz man package dist openwrt bench soak cross test-cross size install \
	uninstall clean need-cc need-clients need-cross

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

run: build ## Build and start a tracker on port 6969, with embedded defaults.
	$(RELEASE) $(ARGS)

build: need-cc ## Build the release binary, with everything in it.
	$(CARGO) build --locked --release

router: need-cc ## Build the small binary, for here or TARGET=mipsel (scripts/cross lists them).
ifdef TARGET
	scripts/cross build $(TARGET)
else
	$(CARGO) build --locked --profile router $(FEATURES_ROUTER)
endif

test: check unit models functional openwrt torture ## Install what the tests need, and run them all.

check: fmt clippy licences ## Check format, lints and licences.

fmt: ## Check the format.
	$(CARGO) fmt --check

clippy: need-cc ## Check the lints, warnings denied, for every feature set.
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets $(FEATURES_ROUTER) -- -D warnings

licences: ## Check that everything it is built from may be passed on.
	@if [ -x /usr/bin/python3 ]; then \
		scripts/licences; \
	else \
		echo "SKIPPED: the licences: there is no /usr/bin/python3"; \
	fi

unit: need-cc ## Unit, property, golden, mesh, tidiness, fuzz and black-box tests.
	$(CARGO) test --locked
	$(CARGO) test --locked $(FEATURES_ROUTER)
	$(CARGO) test --locked --features torture --test blackbox torture

models: need-cc ## What workers do at once, in every order (a model of their letter boxes).
	$(CARGO) run --quiet --locked --manifest-path tests/models/Cargo.toml

miri: ## Tests of the rooms that strangers' bytes reach, under Miri; takes a nightly Rust with it.
	MIRIFLAGS=-Zmiri-disable-isolation $(CARGO) +nightly miri test --locked --lib -- \
		wire:: access:: swarm:: router::

scenarios: build need-clients ## Scenarios in text files are played against the tracker.
	@if [ -x /usr/bin/python3 ]; then \
		cd functional-tests/runner && /usr/bin/python3 -m unittest --quiet test_runner && \
		/usr/bin/python3 run.py --binary ../../$(RELEASE); \
	else \
		echo "SKIPPED: the scenarios: there is no /usr/bin/python3"; \
	fi

clients: build need-clients ## Real clients exchange files through the tracker.
	@if [ -x /usr/bin/python3 ]; then \
		/usr/bin/python3 functional-tests/clients/run.py --binary $(RELEASE); \
	else \
		echo "SKIPPED: the tests with real clients: there is no /usr/bin/python3"; \
	fi

beside: build need-clients ## The same requests to trackerd and to Debian's opentracker.
	@if [ -x /usr/bin/python3 ]; then \
		/usr/bin/python3 functional-tests/beside/run.py --binary $(RELEASE); \
	else \
		echo "SKIPPED: the comparison with opentracker: there is no /usr/bin/python3"; \
	fi

operators: build need-clients ## Prometheus and a browser look at a tracker.
	@if [ -x /usr/bin/python3 ]; then \
		/usr/bin/python3 functional-tests/operators/run.py --binary $(RELEASE); \
	else \
		echo "SKIPPED: the tests of what operators see: there is no /usr/bin/python3"; \
	fi

meta: build need-clients ## The meta-tracker among other trackers, a hash table and real clients.
	@if [ -x /usr/bin/python3 ]; then \
		$(CARGO) build --locked --release --target-dir target/without-meta \
			--no-default-features --features $(FEATURES_WITHOUT_META) && \
		cd functional-tests/meta && /usr/bin/python3 -m unittest --quiet test_bench && \
		/usr/bin/python3 run.py --binary ../../$(RELEASE) \
			--binary-without ../../target/without-meta/release/trackerd; \
	else \
		echo "SKIPPED: the tests of the meta-tracker: there is no /usr/bin/python3"; \
	fi

torture: build need-clients ## What strangers can do to a tracker; all of it with ARGS=--full.
	@if [ -x /usr/bin/python3 ]; then \
		$(CARGO) build --locked --features torture && \
		cd functional-tests/torture && /usr/bin/python3 -m unittest --quiet test_torture && \
		/usr/bin/python3 run.py --binary ../../$(RELEASE) \
			--binary-torture ../../target/debug/trackerd $(ARGS); \
	else \
		echo "SKIPPED: the torture: there is no /usr/bin/python3"; \
	fi

bus: build ## Many nodes with a real Redis, and proxies that spread torrents over trackers.
	@if [ -x /usr/bin/python3 ]; then \
		sh functional-tests/bus/install.sh; \
		/usr/bin/python3 functional-tests/bus/run.py --binary $(RELEASE) && \
		/usr/bin/python3 functional-tests/bus/edge.py --binary $(RELEASE); \
	else \
		echo "SKIPPED: the tests of many nodes: there is no /usr/bin/python3"; \
	fi

package: router ## Packages for OpenWrt: make package TARGET=mipsel, into target/package.
	@test -n "$(TARGET)" || { echo "for which processor? make package TARGET=mipsel" >&2; exit 64; }
	scripts/openwrt/package.py --target $(TARGET)

dist: ## The sources as one file, for those who build packages from them.
	mkdir -p target/package
	git archive --prefix=trackerd-$(VERSION)/ -o target/package/trackerd-$(VERSION).tar.gz HEAD

openwrt: $(if $(TARGET),router,build) ## The packages for OpenWrt, and a router's day from installation to stop.
	@if [ -x /usr/bin/python3 ]; then \
		/usr/bin/python3 functional-tests/openwrt/packages.py && \
		/usr/bin/python3 functional-tests/openwrt/walkthrough.py $(TARGET:%=--target %); \
	else \
		echo "SKIPPED: the tests of packages: there is no /usr/bin/python3"; \
	fi

man: need-cc ## Make manual and completions anew, after a change of the settings.
	$(CARGO) run --locked --example manual

fuzz: need-cc ## Every fuzz target on seeded inputs.
	$(CARGO) test --locked --test fuzz

functional: scenarios clients beside operators bus meta ## The tests of the real binary from outside.

cross: need-cross ## The tests of one other processor: big endian, 32 bits, without an FPU.
	@if command -v python3 >/dev/null; then \
		scripts/cross test --or-skip mips; \
	else \
		echo "SKIPPED: test of the cross builds: there is no python3"; \
	fi

test-cross: need-cross ## The same on mipsel, mips, armv7 and aarch64.
	scripts/cross test $(TARGET)

size: need-cross ## Build for all processors, and compare the sizes with scripts/sizes.
	scripts/cross size $(TARGET)

bench: build ## Measure against null responders and other trackers.
	scripts/bench/run

soak: build ## Half an hour of mixed load, floods and reloads; fails if anything is lost or grows.
	scripts/bench/soak

install: build ## Install below PREFIX.
	install -D -m 755 $(RELEASE) $(DESTDIR)$(PREFIX)/bin/trackerd
	install -D -m 644 opentracker.conf.sample $(SHARE)/doc/trackerd/opentracker.conf.sample
	install -D -m 644 scripts/man/trackerd.8 $(SHARE)/man/man8/trackerd.8
	install -D -m 644 scripts/man/trackerd.conf.5 $(SHARE)/man/man5/trackerd.conf.5
	install -D -m 644 scripts/completions/trackerd.bash $(BASH_COMPLETION)
	install -D -m 644 scripts/completions/_trackerd $(ZSH_COMPLETION)
	install -D -m 644 scripts/completions/trackerd.fish $(FISH_COMPLETION)

uninstall: ## Remove what was installed.
	rm -f $(DESTDIR)$(PREFIX)/bin/trackerd
	rm -f $(SHARE)/man/man8/trackerd.8 $(SHARE)/man/man5/trackerd.conf.5
	rm -f $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION)
	rm -rf $(SHARE)/doc/trackerd

clean: ## Remove what was built.
	$(CARGO) clean

need-cc:
	@command -v cc >/dev/null || sh scripts/install-packages gcc libc6-dev

need-clients:
	@sh functional-tests/clients/install.sh

need-cross: need-cc
	@python3 -m pip --version >/dev/null 2>&1 || sh scripts/install-packages python3-pip || true
