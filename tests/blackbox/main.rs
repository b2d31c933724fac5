//! The real program over loopback, seen from outside: what it answers, how it starts and ends, and
//! what strangers can do to it.

#![allow(clippy::unwrap_used)]

#[path = "../harness/mod.rs"]
mod harness;

#[cfg(feature = "api")]
mod api;
#[cfg(feature = "client")]
mod client;
mod cluster;
mod controls;
mod extensions;
mod floods;
mod full_scrape;
mod health;
mod http;
mod http_limits;
#[cfg(feature = "tls")]
mod https;
mod limits;
mod lists;
mod logs;
mod memory;
#[cfg(feature = "meta")]
mod meta;
#[cfg(feature = "meta")]
mod meta_reload;
#[cfg(feature = "persist")]
mod persist;
mod private;
mod proxy;
mod reload;
mod scripts;
mod start;
mod stats;
mod stats_page;
mod sums;
mod swarms;
mod systemd;
#[cfg(feature = "torture")]
mod torture;
mod udp;

use std::thread;

/// Runs what mostly waits for 1, 2 and 4 workers at the same time.
fn for_workers_at_once(test: fn(usize)) {
    thread::scope(|scope| {
        for workers in [1, 2, 4] {
            let named = thread::Builder::new().name(format!("{workers} workers"));
            named.spawn_scoped(scope, move || test(workers)).unwrap();
        }
    });
}

/// Makes tests of functions that take a number of workers: 1, 2 and 4.
macro_rules! for_workers {
    ($($test:ident),* $(,)?) => {
        mod one_worker { $(#[test] fn $test() { super::$test(1); })* }
        mod two_workers { $(#[test] fn $test() { super::$test(2); })* }
        mod four_workers { $(#[test] fn $test() { super::$test(4); })* }
    };
}
pub(crate) use for_workers;
