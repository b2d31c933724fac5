//! trackerd, a BitTorrent tracker: UDP and HTTP, IPv4 and IPv6, from routers to the largest public
//! instances.
//!
//! # One corridor
//!
//! Every request, whatever its protocol, makes the same steps:
//!
//! ```text
//!                 ┌──────────── net ───────────────────────────────────────────┐
//!  kernel ─ sys ─▶│ worker: poll → UDP batch / TCP connection                  │─▶ sys ─ kernel
//!                 └──┬──────────────────────────────────────────────────────▲──┘
//!                    │ bytes                                                │ bytes
//!                    ▼                                                      │
//!                  wire::parse ─▶ access ─▶ router ─▶ swarm (shard) ─▶ wire::emit
//!                                 (gate)     │  ▲     pure store
//!                                            ▼  │ letters: only when the shard is another
//!                                      other workers          worker's
//!
//!  beside the road: control, which gives workers sockets, rules and a thread each, and does for
//!  them whatever may have to wait
//! ```
//!
//! There are N workers, each a thread with its own sockets on every address (SO_REUSEPORT), its
//! own poll, its own shard of the torrents. The owner of an info-hash is a keyed sum of its first
//! word, which the kernel does as well ([`sys::steer`]), so that datagrams come to the worker that
//! owns their torrent. What comes to another one, as HTTP mostly does, crosses by letter
//! ([`router`]). One worker writes no letters at all.
//!
//! The road is in [`net`]; off the road is [`control`]. There are the main thread, which brings the
//! workers up and heeds signals, and a clerk, who reads files and the load: what they change, the
//! workers take over whole at their next turn. A scribe writes snapshots of what the workers hand
//! him piece by piece. A herald writes status lines and completed downloads, another thread writes
//! requests down, and some read fifos or serve the management API, which asks the workers by what
//! goes round all of them. The bus has threads that talk to its
//! server, and rings between them and the workers, in which no worker waits. The meta-tracker has a
//! thread that asks other trackers by UDP, and a few that may wait for HTTP, names and peers;
//! workers hand it what clients want and are told what it learns. A worker that panics keeps its
//! sockets and begins anew with nothing; a watchdog sees to it that none of them hangs.
//!
//! # The rooms, and whom they may name
//!
//! | room | what it is | may name |
//! | --- | --- | --- |
//! | [`types`], [`error`] | the vocabulary; why a start fails | |
//! | [`sys`] | the kernel: the only `unsafe` | types |
//! | [`wire`] | bytes ⇄ words, both ways, no state | types |
//! | [`swarm`] | the store: a pure function of requests, time and seed | types |
//! | [`access`] | who may speak, about what | types |
//! | [`stats`] | counting | types |
//! | [`config`] | what the operator said | types, error |
//! | [`router`] | words → owner shard → words | types, swarm |
//! | [`client`] | trackers as clients see them: a side room, feature `client` | types, wire, sys |
//! | [`cluster`] | live sync with other trackers: a side room, feature `cluster` | types, wire |
//! | [`meta`] | what other trackers know: a side room, feature `meta` | types, wire, client |
//! | [`bus`] | other nodes of the tracker, by Redis: a side room, feature `bus` | types, wire |
//! | [`persist`] | swarms in a file: a side room, feature `persist` | types, wire |
//! | [`api`] | what operators' programs ask and change: a side room, feature `api` | types, wire |
//! | [`tls`] | HTTPS: what goes over a connection, encrypted: a side room, feature `tls` | types |
//! | [`supervisor`] | who started us: a side room, feature `systemd` | types |
//! | [`advice`] | what to change on a system: a side room, feature `check-system` | types |
//! | [`net`] | sockets and the road | types, sys, wire, swarm, access, stats, router; see below |
//! | [`control`] | everything off the road: threads, files, signals | all |
//!
//! Of the side rooms `net` names those on the road: api, cluster, meta, persist and tls.
//! `tests/tidy.rs` executes this table. Further ideas that carry the house: a peer is its 6 or 18
//! wire bytes from store to socket; the return address travels with the job, as an opaque ticket;
//! the clock is read once a turn and handed down as `now`; counters are plain integers of one
//! worker, collected by letter when somebody asks; the settings are one table.
//!
//! # Features
//!
//! `router` is the small build; the default is everything: also `api`, by which it is managed;
//! `bus`, by which many nodes are one; `client`, which asks trackers; `cluster`, live sync;
//! `dashboard`, a page for browsers, and `metrics`, what Prometheus reads, both within [`stats`];
//! `gzip`, compressed lists; `journal`, logs in JSON and to syslog; `meta`, which asks other
//! trackers, with `dht` and `pex`, which ask the hash table and peers; `persist`, snapshots of the
//! swarms; `systemd`, which tells the service manager how it goes; `tls`, HTTPS; and
//! `check-system`. A side room has a door, its `mod.rs`, which picks the room or a twin that has
//! nothing in it; a setting of an absent room is refused. `torture` brings mishaps on demand, for
//! tests.

pub mod access;
pub mod advice;
pub mod api;
pub mod bus;
pub mod client;
pub mod cluster;
pub mod config;
pub mod control;
pub mod error;
pub mod meta;
pub mod net;
pub mod persist;
pub mod router;
pub mod stats;
pub mod supervisor;
pub mod swarm;
#[allow(unsafe_code)]
pub mod sys;
pub mod tls;
pub mod types;
pub mod wire;

/// For all property tests: the same cases every time, and no files left behind.
#[cfg(test)]
fn seeded(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        // Under Miri a case takes a thousand times as long.
        cases: if cfg!(miri) { 1 } else { cases },
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20),
        ..Default::default()
    }
}
