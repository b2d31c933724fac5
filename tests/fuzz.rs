//! Every fuzz target on a bounded number of seeded inputs, so that they run without a fuzzer:
//! random bytes, and golden packets with something broken in them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[path = "fuzz/targets.rs"]
mod targets;
mod wire;

const INPUTS: u32 = 20_000;
const RANDOM_LEN_MAX: usize = 200;

#[test]
fn every_target_on_seeded_inputs() {
    let packets: Vec<Vec<u8>> = seeds();
    for (number, (name, target)) in targets::TARGETS.iter().enumerate() {
        for packet in &packets {
            run(name, *target, packet);
        }
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ number as u64);
        for _ in 0..INPUTS {
            run(name, *target, &input(&packets, &mut random));
        }
    }
}

/// Writes the seeds where a fuzzer wants them, each a file; scripts/fuzz does.
#[test]
fn seeds_for_a_fuzzer() {
    let seeds = seeds();
    assert!(seeds.len() > 100, "what clients send is among them");
    if let Some(dir) = std::env::var_os("TRACKERD_SEEDS") {
        fs::create_dir_all(&dir).unwrap();
        for (number, bytes) in seeds.iter().enumerate() {
            fs::write(Path::new(&dir).join(number.to_string()), bytes).unwrap();
        }
    }
}

#[test]
fn list_files_and_manifest_agree() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let mut files: Vec<String> = fs::read_dir(dir.join("fuzz_targets"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    files.sort();
    let listed: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, listed);
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), listed.len());
    for name in listed {
        let bin = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&bin), "{name}");
        let file = fs::read_to_string(dir.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(file.contains(&format!("targets::{name}(")), "{name}");
    }
}

/// The golden packets, and apart from their heads the queries of those that have one. The longest
/// are left out, for they are but long.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = wire::entries().iter().map(wire::Entry::bytes).collect();
    let queries: Vec<_> = seeds
        .iter()
        .filter_map(|bytes| {
            let query = bytes.split(|&b| b == b'?').nth(1)?;
            query.split(|&b| b == b' ').next().map(<[u8]>::to_vec)
        })
        .collect();
    seeds.extend(queries);
    seeds.extend(operators_words());
    seeds.extend(prefaces());
    seeds.extend(managers_words());
    seeds.retain(|bytes| bytes.len() < 2000);
    seeds
}

/// Settings as the sample has them, in a file and on a command line, and a list of info-hashes.
fn operators_words() -> Vec<Vec<u8>> {
    let sample = include_str!("../opentracker.conf.sample");
    let settings = sample.lines().filter_map(|line| line.strip_prefix("# "));
    let mut words = vec![format!(
        "{}  # one\n# two\n{}\r\n",
        "0a".repeat(20),
        "FF".repeat(20)
    )];
    for setting in settings.filter(|setting| setting.contains('.')) {
        words.push(format!("{setting}\n"));
        words.push(format!("--{setting}"));
    }
    words.push(
        "tracker udp://a.example:80/announce file 3 1 2.5 1 0.5 30 200 1700000000\n\
         tracker https://b.example:443/announce?x=1 list 0 9 0 3 1 -1 0 1699990000\n\
         node 8.8.8.8:6881\nnode [2a00::1]:6881\n"
            .to_owned(),
    );
    words.push("-i ::1 -p 80 -P 81 -A 10.0.0.0/8 -u nobody -d . -w list -t".to_owned());
    words.into_iter().map(String::into_bytes).collect()
}

/// What programs ask that manage the tracker.
fn managers_words() -> impl Iterator<Item = Vec<u8>> {
    let hash = "0a".repeat(20);
    let lines = [
        "GET /v1/stats".to_owned(),
        format!("GET /v1/swarms/{hash}?limit=7"),
        format!("GET /v1/hashes?after={hash}&limit=9"),
        format!("PUT /v1/hashes/{hash}"),
        "DELETE /v1/keys/abc".to_owned(),
        "PUT /v1/denied/10.0.0.0%2F8".to_owned(),
        "GET /v1/denied?after=2001:db8::/32".to_owned(),
        "PUT /v1/bans/::1?secs=60".to_owned(),
        "GET /v1/bans?after=10.0.0.1".to_owned(),
        "POST /v1/drain".to_owned(),
    ];
    let headers = "Host: [::1]:1\r\nX-Trackerd: 1\r\nAuthorization: Bearer 0123456789abcdef\r\n";
    let requests = lines.into_iter();
    requests.map(move |line| format!("{line} HTTP/1.1\r\n{headers}\r\n").into_bytes())
}

/// What proxies send ahead of a connection.
fn prefaces() -> [Vec<u8>; 3] {
    let (v1, v2) = (
        "PROXY TCP4 10.0.0.1 10.0.0.2 56324 443\r\n",
        b"\r\n\r\n\0\r\nQUIT\n",
    );
    let v2 = |head: [u8; 4], ends: usize| [v2, &head[..], &vec![7; ends]].concat();
    [
        v1.into(),
        v2([0x21, 0x11, 0, 12], 12),
        v2([0x21, 0x21, 0, 40], 40),
    ]
}

fn run(name: &str, target: fn(&[u8]), bytes: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(bytes)));
    assert!(outcome.is_ok(), "{name}: b\"{}\"", bytes.escape_ascii());
}

/// One input in four is noise, the others are packets with a few things done to them.
fn input(packets: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    if random.below(4) == 0 {
        let len = random.below(RANDOM_LEN_MAX + 1);
        return (0..len).map(|_| random.next() as u8).collect();
    }
    let mut bytes = packets[random.below(packets.len())].clone();
    for _ in 0..random.below(5) {
        mutate(&mut bytes, packets, random);
    }
    bytes
}

fn mutate(bytes: &mut Vec<u8>, packets: &[Vec<u8>], random: &mut Random) {
    const TELLING: &[u8] = b"\0\x01\xff\r\n :;?&=%/-0129deil,";
    let at = random.below(bytes.len() + 1);
    let telling = TELLING[random.below(TELLING.len())];
    match random.below(7) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, telling),
        2 => drop(bytes.drain(at..(at + random.below(20)).min(bytes.len()))),
        3 => {
            let other = &packets[random.below(packets.len())];
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        4 => {
            let again = bytes[at..(at + random.below(20)).min(bytes.len())].to_vec();
            bytes.splice(at..at, again);
        }
        kind => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = if kind == 5 {
                    telling
                } else {
                    *byte ^ 1 << random.below(8)
                };
            }
        }
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
