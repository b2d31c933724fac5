//! Measures the store alone: bytes per torrent and peer, time per announce as it grows, the
//! longest single step, and how much memory is given back.
//!
//! ```sh
//! MALLOC_MMAP_THRESHOLD_=65536 cargo run --release --example store [SCENARIO…]
//! ```
//!
//! The variable does for glibc what trackerd itself asks of it at start. Each scenario runs in a
//! process of its own, so that one does not find memory another has left.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use trackerd::swarm::{Limits, Shard};
use trackerd::types::{Announce, Event, Family, InfoHash, PeerAddr, Peers, Want};

/// Name, what it does, and the function.
type Scenario = (&'static str, &'static str, fn());

const SCENARIOS: &[Scenario] = &[
    ("idle", "nothing", idle),
    ("singles4", "1 M torrents with an IPv4 peer", || {
        even(1_000_000, 1, Family::V4)
    }),
    ("singles6", "1 M torrents with an IPv6 peer", || {
        even(1_000_000, 1, Family::V6)
    }),
    ("zipf", "2 M torrents with 7 M IPv4 peers, few large", zipf),
    ("one", "1 torrent with 1 M IPv4 peers", || {
        even(1, 1_000_000, Family::V4)
    }),
    ("middle", "3000 torrents with 300 IPv4 peers", || {
        even(3000, 300, Family::V4)
    }),
    ("crowds6", "1000 torrents with 1000 IPv6 peers", || {
        even(1000, 1000, Family::V6)
    }),
    (
        "pauses1",
        "longest calls: 5 M torrents come and go",
        pauses_torrents,
    ),
    (
        "pauses2",
        "longest calls: 5 M peers of one torrent come and go",
        pauses_crowd,
    ),
    (
        "curve",
        "time per announce, 10 k to 10 M peers in Zipf-like swarms",
        curve,
    ),
];

const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

fn main() -> ExitCode {
    if let Ok(name) = env::var("STORE_SCENARIO") {
        // What stays allocated must not lie behind what goes.
        println!("  {} KB resident at first", resident_bytes() / 1024);
        SCENARIOS
            .iter()
            .filter(|(own, ..)| *own == name)
            .for_each(|(.., run)| run());
        return ExitCode::SUCCESS;
    }
    let mmap = env::var("MALLOC_MMAP_THRESHOLD_").unwrap_or("unset".into());
    println!("MALLOC_MMAP_THRESHOLD_ is {mmap}");
    let wanted: Vec<String> = env::args().skip(1).collect();
    for (name, what, _) in SCENARIOS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("{name}: {what}");
            let itself = env::current_exe().expect("this program has a path");
            let ran = Command::new(itself).env("STORE_SCENARIO", name).status();
            if !ran.is_ok_and(|status| status.success()) {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// A shard, and the calls that took long.
struct Bench {
    shard: Shard,
    found: Peers,
    numwant: u16,
    calls: u32,
    slow: Vec<(u32, Duration)>,
    resident: usize,
}

/// Calls that take longer are remembered.
const SLOW: Duration = Duration::from_micros(100);

impl Bench {
    fn new(numwant: u16) -> Bench {
        let found = Peers {
            v4: Vec::with_capacity(6 * 200),
            v6: Vec::with_capacity(18 * 200),
            ids: Vec::new(),
        };
        let shard = Shard::new(SEED, Limits::default(), 0);
        let slow = Vec::new();
        Bench {
            shard,
            found,
            numwant,
            calls: 0,
            slow,
            resident: resident_bytes(),
        }
    }

    fn announce(&mut self, now: u32, torrent: u64, peer: PeerAddr) {
        let announce = Announce {
            info_hash: info_hash(torrent),
            peer,
            peer_id: None,
            event: Event::None,
            seeder: peer.bytes()[3].is_multiple_of(3),
            want: Want {
                numwant: self.numwant,
                both: false,
                ids: false,
            },
            keep_secs: Limits::default().peer_secs,
        };
        self.shard.announce(now, &announce, &mut self.found);
    }

    /// Times a call.
    fn timed<T>(&mut self, call: impl FnOnce(&mut Bench) -> T) -> T {
        let begin = Instant::now();
        let result = call(self);
        let spent = begin.elapsed();
        self.calls += 1;
        if spent > SLOW {
            self.slow.push((self.calls, spent));
        }
        result
    }

    fn report(&self) {
        let grown = resident_bytes() - self.resident;
        let totals = self.shard.totals();
        let peers = totals.v4 + totals.v6;
        let per = |count: u32| grown as f64 / f64::from(count.max(1));
        println!(
            "  {} torrents, {peers} peers: {:.1} MB, {:.2} bytes per torrent, {:.2} per peer",
            totals.torrents,
            grown as f64 / 1e6,
            per(totals.torrents),
            per(peers)
        );
    }

    /// Lets everybody go, a second at a time.
    fn expire(&mut self) {
        let grown = resident_bytes() - self.resident;
        let (mut now, first, begin) = (0, self.calls, Instant::now());
        while self.shard.totals().torrents > 0 {
            now += 1;
            while self.timed(|bench| bench.shard.sweep(now).more) {}
        }
        let left = resident_bytes().saturating_sub(self.resident);
        println!(
            "  expired after {now} s: {:.1} % given back; {} calls, {:.0} ms",
            100.0 - 100.0 * left as f64 / grown.max(1) as f64,
            self.calls - first,
            begin.elapsed().as_secs_f64() * 1e3,
        );
    }
}

/// Does the same a few times. A call is as slow as it was the quickest time: what was slow only
/// once was the machine's doing.
fn longest_pause(run: fn() -> Vec<(u32, Duration)>) {
    let mut slow = run();
    for _ in 0..2 {
        let again: HashMap<_, _> = run().into_iter().collect();
        slow.retain(|(call, _)| again.contains_key(call));
        slow.iter_mut()
            .for_each(|(call, spent)| *spent = (*spent).min(again[call]));
    }
    slow.sort_by_key(|&(_, spent)| spent);
    let over = slow
        .iter()
        .filter(|(_, spent)| *spent > Duration::from_micros(500))
        .count();
    for (call, spent) in slow.iter().rev().take(3) {
        println!("  call {call} took {:.0} µs", spent.as_secs_f64() * 1e6);
    }
    println!("  {over} calls took over 500 µs");
}

fn idle() {
    let bench = Bench::new(0);
    println!(
        "  {} bytes resident more",
        resident_bytes() - bench.resident
    );
}

/// Peers arrive in no order: a round for each peer, all torrents in each.
fn even(torrents: u32, peers: u32, family: Family) {
    let mut bench = Bench::new(0);
    let begin = Instant::now();
    for round in 0..peers {
        for torrent in 0..torrents {
            bench.announce(
                0,
                u64::from(torrent),
                peer(round * torrents + torrent, family),
            );
        }
    }
    let spent = nanos(begin, torrents * peers);
    bench.report();
    println!("  {spent:.0} ns per new peer");
    bench.expire();
}

fn zipf() {
    let mut bench = Bench::new(0);
    let sizes = zipf_sizes(2_000_000, 7_000_000);
    // Torrents in a random order, and a peer of each before the next one's.
    let mut left: Vec<(u32, u32)> = sizes
        .iter()
        .enumerate()
        .map(|(torrent, &size)| (torrent as u32, size))
        .collect();
    let (mut number, largest) = (0, sizes.iter().max().copied().unwrap_or(0));
    let alone = sizes.iter().filter(|&&size| size == 1).count();
    println!("  {alone} have one peer, the largest {largest}");
    bench.resident = resident_bytes();
    while !left.is_empty() {
        left.retain_mut(|(torrent, size)| {
            number += 1;
            bench.announce(0, u64::from(*torrent), peer(number, Family::V4));
            *size -= 1;
            *size > 0
        });
    }
    bench.report();
    bench.expire();
}

fn pauses_torrents() {
    longest_pause(|| {
        let mut bench = Bench::new(30);
        for number in 0..5_000_000 {
            bench.timed(|bench| bench.announce(0, u64::from(number), peer(number, Family::V4)));
        }
        bench.expire();
        bench.slow
    });
}

fn pauses_crowd() {
    longest_pause(|| {
        let mut bench = Bench::new(30);
        for number in 0..5_000_000 {
            bench.timed(|bench| bench.announce(0, 0, peer(number, Family::V4)));
        }
        bench.expire();
        bench.slow
    });
}

/// Peers that are known announce again, in no order.
fn curve() {
    let mut bench = Bench::new(30);
    let mut known = 0_u32;
    for goal in [10_000, 100_000, 1_000_000, 10_000_000] {
        let swarm = |number: u32| {
            // Half of the peers in swarms of some 1000, the others in ever smaller ones.
            let random = mix(u64::from(number));
            let level = (random as u32 | 1 << 10).trailing_zeros();
            let torrents = (u64::from(goal) >> 10 << level).max(1);
            ((random >> 32) % torrents) << 4 | u64::from(level)
        };
        bench = Bench {
            shard: Shard::new(SEED, Limits::default(), 0),
            ..bench
        };
        known = known.max(goal);
        for number in 0..goal {
            bench.announce(0, swarm(number), peer(number, Family::V4));
        }
        let rounds = 2_000_000;
        let mut listed = 0;
        let begin = Instant::now();
        for round in 0..rounds {
            let number = (mix(u64::from(round) << 20) % u64::from(goal)) as u32;
            bench.announce(10, swarm(number), peer(number, Family::V4));
            listed += bench.found.len();
        }
        println!(
            "  {goal:>8} peers in {:>7} torrents: {:.0} ns per announce, {:.1} peers listed",
            bench.shard.totals().torrents,
            nanos(begin, rounds),
            listed as f64 / f64::from(rounds)
        );
    }
}

fn nanos(begin: Instant, count: u32) -> f64 {
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

/// So many torrents whose sizes fall as their rank rises, and sum up to `peers`.
fn zipf_sizes(torrents: u32, peers: u32) -> Vec<u32> {
    let sum = |scale: f64| -> Vec<u32> {
        (1..=torrents)
            .map(|rank| ((scale / f64::from(rank)) as u32).max(1))
            .collect()
    };
    let (mut low, mut high) = (1.0, f64::from(peers));
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        let all: u64 = sum(middle).iter().map(|&size| u64::from(size)).sum();
        if all < u64::from(peers) {
            low = middle
        } else {
            high = middle
        }
    }
    sum(high)
}

fn info_hash(number: u64) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&mix(number).to_be_bytes());
    bytes[8..16].copy_from_slice(&mix(number ^ 1 << 63).to_be_bytes());
    InfoHash(bytes)
}

fn peer(number: u32, family: Family) -> PeerAddr {
    let random = mix(u64::from(number) | 1 << 40);
    let port = (random >> 40) as u16 | 1;
    match family {
        Family::V4 => PeerAddr::new(
            Ipv4Addr::from(number.wrapping_mul(0x9e37_79b1)).into(),
            port,
        ),
        Family::V6 => {
            let address = u128::from(random) << 64 | u128::from(number) | 0x2001 << 112;
            PeerAddr::new(Ipv6Addr::from(address).into(), port)
        }
    }
}

fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// VmRSS of this process.
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0) * 1024
}
