//! Many nodes on one bus, simulated: the store, the frames and the engines are those of the
//! program, the server between them and the network are a model.
//!
//! ```sh
//! cargo run --release --example sim -- NODES ANNOUNCES_PER_SEC [PARTITION_SECS]
//! ```
//!
//! Ten million announces a second can't be executed one by one, so a sample of the torrents is:
//! whole swarms, at every node. What depends on the real number is taken from it: how many bytes a
//! frame of so many records has (such a frame is made), how long the server is busy with it, how
//! soon its stream and the nodes' backlogs are full. The output is one line of `key=value`.

use std::collections::{HashMap, VecDeque};
use std::env;
use std::hint::black_box;

use trackerd::bus::{Inbox, Outbox, Recent};
use trackerd::swarm::{Limits, Shard};
use trackerd::sys::clock;
use trackerd::types::{Event, Family, InfoHash, PeerAddr, Peers};
use trackerd::wire::bus::{HEAD_LEN, RECORDS_MAX, Record, record_len};

// --- The model. Each of these can be argued about; the README names them.

/// How long clients wait between announces.
const INTERVAL_SECS: f64 = 1800.0;
/// How long they are kept, as is usual for that.
const KEEP_SECS: u32 = 2700;
/// `bus.delay`, `bus.stream_frames` and `bus.backlog`.
const DELAY_MILLIS: u64 = 100;
const STREAM_FRAMES: f64 = 30_000.0;
const BACKLOG_BYTES: f64 = (16 << 20) as f64;
/// CPU of an announce over UDP (`make bench`).
const ANNOUNCE_MICROS: f64 = 3.6;
/// CPU of one Redis (`scripts/sim/server`) for a pipeline of frames, for each frame in it, for
/// what it sends to a node at a time and for each frame in that, and for the bytes of both.
const PIPELINE_MICROS: f64 = 22.9;
const FRAME_MICROS: f64 = 5.5;
const SENDING_MICROS: f64 = 3.6;
const COPY_MICROS: f64 = 0.35;
const BYTE_MICROS: f64 = 0.000_99;
const COPIED_BYTE_MICROS: f64 = 0.000_36;
/// Its line: 10 Gbit/s.
const LINE_BYTES_PER_SEC: f64 = 1.25e9;
/// Frames that a node sends at a time.
const PIPELINE_FRAMES: f64 = 32.0;
/// From a node to the server, or back.
const HOP_MILLIS: f64 = 0.5;

/// Virtual time: until everything is steady, the partition of one node, and after it.
const STEADY_SECS: u64 = 15;
const AFTER_SECS: u64 = 15;

/// Records that are executed, at all nodes together.
const RECORDS_BUDGET: f64 = 1.5e6;
const TORRENTS: u64 = 2000;

fn main() {
    let args: Vec<f64> = env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let [nodes, rate] = args[..2] else {
        panic!("sim NODES ANNOUNCES_PER_SEC [PARTITION_SECS]");
    };
    let partition = args.get(2).copied().unwrap_or(30.0) as u64;
    let costs = Costs::measure();
    let mut simulation = Simulation::new(nodes as usize, rate, partition);
    simulation.run();
    let wrong = simulation.wrong();
    report(&simulation, nodes, rate, &costs, &wrong);
}

/// What the program's own code takes on this machine, in CPU time: others may be at work, too.
struct Costs {
    /// Hearing a record: reading its frame, its order, the store.
    learn_micros: f64,
    /// Telling one.
    tell_micros: f64,
    peer_bytes: f64,
}

impl Costs {
    fn measure() -> Costs {
        let mut random = Random(1);
        let mut shard = shard();
        let mut outbox = Outbox::new(1, None, usize::MAX);
        let mut inbox = Inbox::new(2, None);
        let mut recent = Recent::default();
        let records: Vec<_> = (0..1_000_000)
            .map(|number| Record {
                info_hash: info_hash(zipf(&mut random, 300_000)),
                peer: peer(number),
                event: Event::None,
                seeder: random.chance(0.5),
            })
            .collect();
        let each = |began: u64| (clock::thread_cpu_micros() - began) as f64 / records.len() as f64;
        let began = clock::thread_cpu_micros();
        outbox.tell(1, &records);
        let tell_micros = each(began);
        let began = clock::thread_cpu_micros();
        let mut found = Peers::default();
        for bytes in outbox.next(usize::MAX) {
            let heard = inbox.read(bytes).expect("our own frame");
            inbox.take(&heard);
            for record in heard.frame.records() {
                recent.note(&record.info_hash, &record.peer, 1);
                black_box(shard.announce(1, &record.announce(KEEP_SECS), &mut found));
            }
        }
        Costs {
            learn_micros: each(began),
            tell_micros,
            peer_bytes: shard.held().bytes as f64 / records.len() as f64,
        }
    }
}

struct Node {
    outbox: Outbox,
    inbox: Inbox,
    recent: Recent,
    shard: Shard,
    /// Frames on their way here: when they arrive, and what they are.
    arriving: VecDeque<(f64, Vec<u8>)>,
}

struct Simulation {
    nodes: Vec<Node>,
    truth: Shard,
    random: Random,
    /// Which part of all torrents is executed.
    sample: f64,
    rate: f64,
    partition: u64,
    /// Frames and bytes of one node in one delay, as they really are.
    frames_a_tick: f64,
    bytes_a_tick: f64,
    /// How long the server is busy with them.
    service_millis: f64,
    server_free: f64,
    stream: VecDeque<Vec<u8>>,
    stream_len_max: usize,
    /// Who could stop, and where it was heard.
    known: Vec<Record>,
    told: u64,
    dropped: u64,
    staleness: Vec<f64>,
    /// When a record was announced, by its peer: staleness is measured with it.
    announced: HashMap<PeerAddr, f64>,
    numbers: u64,
}

impl Simulation {
    fn new(nodes: usize, rate: f64, partition: u64) -> Simulation {
        let total_secs = (STEADY_SECS + partition + AFTER_SECS) as f64;
        let sample = (RECORDS_BUDGET / (rate * total_secs * nodes as f64)).min(1.0);
        let records = rate / nodes as f64 * DELAY_MILLIS as f64 / 1000.0;
        let (frames, bytes) = really(records);
        let here = records * sample;
        // A frame of the sample has few records, and so more head for each.
        let bytes_here = here * record_len(Family::V4) as f64 + HEAD_LEN as f64 * here.min(1.0);
        let backlog = (BACKLOG_BYTES * bytes_here / bytes).max(100.0);
        Simulation {
            nodes: (0..nodes as u64)
                .map(|number| Node {
                    outbox: Outbox::new(number + 1, None, backlog as usize),
                    inbox: Inbox::new(number + 1, None),
                    recent: Recent::default(),
                    shard: shard(),
                    arriving: VecDeque::new(),
                })
                .collect(),
            truth: shard(),
            random: Random(0x9e37_79b9_7f4a_7c15),
            sample,
            rate,
            partition,
            frames_a_tick: frames,
            bytes_a_tick: bytes,
            service_millis: service_micros(frames, bytes, nodes as f64) / 1000.0,
            server_free: 0.0,
            stream: VecDeque::new(),
            // One frame here stands for as many as there really are in a delay.
            stream_len_max: ((STREAM_FRAMES / frames).max(1.0) * here.min(1.0)).ceil() as usize,
            known: Vec::new(),
            told: 0,
            dropped: 0,
            staleness: Vec::new(),
            announced: HashMap::new(),
            numbers: 0,
        }
    }

    fn run(&mut self) {
        let cut = STEADY_SECS * 1000..(STEADY_SECS + self.partition) * 1000;
        let end = cut.end + AFTER_SECS * 1000;
        for now in (0..end).step_by(DELAY_MILLIS as usize) {
            let is_cut = cut.contains(&now);
            self.announces(now);
            for number in 0..self.nodes.len() {
                self.dropped += self.nodes[number].outbox.take_dropped();
                if number != 0 || !is_cut {
                    self.publish(number, now, is_cut);
                }
            }
            if now == cut.end {
                self.catch_up(now);
            }
            self.hear(now);
        }
        // Whatever is on its way still.
        self.hear(u64::MAX >> 20);
    }

    /// A delay's worth of announces, at whatever nodes.
    fn announces(&mut self, now: u64) {
        let mean = self.rate * self.sample * DELAY_MILLIS as f64 / 1000.0;
        let count = mean.floor() as u64 + u64::from(self.random.chance(mean.fract()));
        let mut told: Vec<Vec<Record>> = vec![Vec::new(); self.nodes.len()];
        let mut found = Peers::default();
        for _ in 0..count {
            let record = self.next();
            let number = self.random.below(self.nodes.len() as u64) as usize;
            let seconds = (now / 1000) as u32;
            let announce = record.announce(KEEP_SECS);
            self.truth.announce(seconds, &announce, &mut found);
            let node = &mut self.nodes[number];
            node.shard.announce(seconds, &announce, &mut found);
            if node.shard.is_news() {
                node.recent.note(&record.info_hash, &record.peer, now);
                self.told += 1;
                told[number].push(record);
            }
            // It came some time since the node's last frames were made.
            let ago = self.random.part() * DELAY_MILLIS as f64;
            let when = now as f64 + self.phase_millis(number) - ago;
            self.announced.insert(record.peer, when);
        }
        for (node, records) in self.nodes.iter_mut().zip(&told) {
            if !records.is_empty() {
                node.outbox.tell(now, records);
            }
        }
    }

    /// A peer that comes, or one of those that are there goes.
    fn next(&mut self) -> Record {
        if self.known.len() > 10 && self.random.chance(0.15) {
            let leaves = self.random.below(self.known.len() as u64) as usize;
            let mut record = self.known.swap_remove(leaves);
            record.event = Event::Stopped;
            return record;
        }
        self.numbers += 1;
        let record = Record {
            info_hash: info_hash(zipf(&mut self.random, TORRENTS)),
            peer: peer(self.numbers),
            event: Event::None,
            seeder: self.random.chance(0.5),
        };
        self.known.push(record);
        record
    }

    fn publish(&mut self, from: usize, now: u64, is_cut: bool) {
        let frames: Vec<_> = self.nodes[from]
            .outbox
            .next(usize::MAX)
            .map(<[u8]>::to_vec)
            .collect();
        self.nodes[from].outbox.sent(frames.len(), now);
        for frame in frames {
            let came = now as f64 + self.phase_millis(from) + HOP_MILLIS;
            self.server_free = self.server_free.max(came) + self.service_millis;
            let arrives = self.server_free + HOP_MILLIS;
            for (to, node) in self.nodes.iter_mut().enumerate() {
                if to != from && !(to == 0 && is_cut) {
                    node.arriving.push_back((arrives, frame.clone()));
                }
            }
            self.stream.push_back(frame);
            while self.stream.len() > self.stream_len_max {
                self.stream.pop_front();
            }
        }
    }

    /// Nodes make their frames one after the other.
    fn phase_millis(&self, node: usize) -> f64 {
        (DELAY_MILLIS as usize * node) as f64 / self.nodes.len() as f64
    }

    /// The node that was away reads the stream, what it has already heard included.
    fn catch_up(&mut self, now: u64) {
        let stream = self.stream.iter().map(|frame| (now as f64, frame.clone()));
        let node = &mut self.nodes[0];
        let mut arriving: VecDeque<_> = stream.collect();
        arriving.append(&mut node.arriving);
        node.arriving = arriving;
    }

    fn hear(&mut self, now: u64) {
        let cut = (STEADY_SECS * 1000) as f64;
        let mut found = Peers::default();
        for node in &mut self.nodes {
            while let Some((arrives, _)) = node.arriving.front() {
                if *arrives > now as f64 {
                    break;
                }
                let Some((arrives, bytes)) = node.arriving.pop_front() else {
                    break;
                };
                let Ok(heard) = node.inbox.read(&bytes) else {
                    continue;
                };
                node.inbox.take(&heard);
                let millis = heard.frame.head.millis;
                for record in heard.frame.records() {
                    if !node.recent.note(&record.info_hash, &record.peer, millis) {
                        continue;
                    }
                    let seconds = (arrives / 1000.0) as u32;
                    node.shard
                        .announce(seconds, &record.announce(KEEP_SECS), &mut found);
                    let announced = self.announced.get(&record.peer);
                    // Of the time before the partition, when all is as usual.
                    if let Some(when) = announced.filter(|when| **when < cut && arrives < cut + 5e4)
                    {
                        self.staleness.push(arrives - when);
                    }
                }
            }
        }
    }

    /// Peers that a node doesn't know and should, or knows and shouldn't; all nodes.
    fn wrong(&mut self) -> Vec<u64> {
        let now = (STEADY_SECS + self.partition + AFTER_SECS) as u32;
        let mut wrong = vec![0; self.nodes.len()];
        for number in 0..TORRENTS {
            let hash = info_hash(number);
            let peers = |shard: &mut Shard| {
                let counts = shard.scrape(now, &hash).unwrap_or_default();
                counts.seeders + counts.leechers
            };
            let right = peers(&mut self.truth);
            for (node, wrong) in self.nodes.iter_mut().zip(&mut wrong) {
                *wrong += u64::from(right.abs_diff(peers(&mut node.shard)));
            }
        }
        wrong
    }
}

/// How long the server is busy with what a node sends at a time: its CPU, or if that takes longer
/// its line.
fn service_micros(frames: f64, bytes: f64, nodes: f64) -> f64 {
    let pipelines = frames.min((frames / PIPELINE_FRAMES).max(1.0));
    let cpu = pipelines * (PIPELINE_MICROS + nodes * SENDING_MICROS)
        + frames * (FRAME_MICROS + nodes * COPY_MICROS)
        + bytes * (BYTE_MICROS + nodes * COPIED_BYTE_MICROS);
    let line = bytes * nodes / LINE_BYTES_PER_SEC * 1e6;
    cpu.max(line)
}

/// How many frames so many records make, and how many bytes.
fn really(records: f64) -> (f64, f64) {
    if records < 1.0 {
        let one = (HEAD_LEN + 4 + record_len(Family::V4)) as f64;
        return (records, records * one);
    }
    let mut outbox = Outbox::new(1, None, usize::MAX);
    let record = Record {
        info_hash: info_hash(1),
        peer: peer(1),
        event: Event::None,
        seeder: false,
    };
    let count = records as usize;
    let whole = vec![record; count.min(10 * RECORDS_MAX)];
    outbox.tell(1, &whole);
    let scale = count as f64 / whole.len() as f64;
    let (frames, bytes) = outbox.next(usize::MAX).fold((0.0, 0.0), |(n, sum), frame| {
        (n + 1.0, sum + frame.len() as f64)
    });
    (frames * scale, bytes * scale)
}

fn report(simulation: &Simulation, nodes: f64, rate: f64, costs: &Costs, wrong: &[u64]) {
    let mut staleness = simulation.staleness.clone();
    staleness.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = (staleness.len() as f64 * part) as usize;
        staleness.get(place).copied().unwrap_or(f64::NAN)
    };
    let ticks = 1000.0 / DELAY_MILLIS as f64;
    let bytes = simulation.bytes_a_tick * ticks;
    let busy = simulation.service_millis / DELAY_MILLIS as f64 * nodes;
    let gigabytes = rate * INTERVAL_SECS * costs.peer_bytes / 1e9;
    let told_while_cut = rate * simulation.sample * simulation.partition as f64;
    let others = &wrong[1..];
    let others = others.iter().sum::<u64>() as f64 / others.len().max(1) as f64;
    println!(
        "nodes={nodes} rate={rate} sample={:.3e} executed={} node_out_mbit={:.3} \
         node_in_mbit={:.3} server_out_mbit={:.3} server_busy={:.4} frames_per_sec={:.1} \
         staleness_ms_p50={:.1} staleness_ms_p99={:.1} \
         memory_gb={:.3} shard_memory_gb={:.3} lost_at_cut_node={:.4} lost_at_others={:.4} \
         dropped={:.4} announce_us={ANNOUNCE_MICROS} learn_us={:.3} tell_us={:.3} \
         peer_bytes={:.2}",
        simulation.sample,
        simulation.told,
        bytes * 8.0 / 1e6,
        bytes * 8.0 / 1e6 * (nodes - 1.0),
        bytes * 8.0 / 1e6 * nodes * nodes,
        busy,
        simulation.frames_a_tick * ticks * nodes,
        at(0.5),
        at(0.99),
        gigabytes,
        gigabytes / nodes,
        wrong[0] as f64 / told_while_cut,
        others / told_while_cut,
        simulation.dropped as f64 / told_while_cut,
        costs.learn_micros,
        costs.tell_micros,
        costs.peer_bytes,
    );
}

fn shard() -> Shard {
    Shard::new([3, 4], Limits::default(), 0)
}

fn info_hash(number: u64) -> InfoHash {
    let mut random = Random(number.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
    let mut hash = [0; 20];
    for chunk in hash.chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_be_bytes()[..chunk.len()]);
    }
    InfoHash(hash)
}

fn peer(number: u64) -> PeerAddr {
    let ip = 0x0100_0000_u32.wrapping_add((number / 50_000) as u32 * 7919);
    PeerAddr::new(ip.to_be_bytes().into(), (number % 50_000) as u16 + 1)
}

/// Few torrents have many peers: the share of each falls with its place.
fn zipf(random: &mut Random, torrents: u64) -> u64 {
    ((torrents as f64).powf(random.part()) as u64).min(torrents) - 1
}

/// Marsaglia's xorshift: the same run every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.part() * limit as f64) as u64
    }

    fn chance(&mut self, part: f64) -> bool {
        self.part() < part
    }
}
