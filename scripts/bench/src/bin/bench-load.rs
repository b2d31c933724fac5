//! Load for UDP trackers (BEP 15): a closed loop with a window per socket.
//!
//! `bench-load fill ADDR:PORT …` announces every peer of a population once, `bench-load announce
//! ADDR:PORT …` announces random ones of them again for a while; both print one line of JSON.
//! `bench-load hashes …` prints the info-hashes, one a line, as whitelists have them.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use trackerd_bench::count::Count;
use trackerd_bench::kernel::{self, Batch};
use trackerd_bench::population::{self, Population, Shape};
use trackerd_bench::random::Random;

const USAGE: &str = "\
usage: bench-load fill|announce ADDR:PORT [OPTION VALUE]...
       bench-load hashes [OPTION VALUE]...

  --torrents N  --peers N  --shape even|zipf  --seed N   the population (10000, 1000000, even, 1)
  --from N      fill: the first peer that is not there yet (0)
  --sockets N   each with an address of its own in 127/8 (64)
  --window N    requests under way per socket, 256 at most (3): with 64 sockets, what fits a
                receive buffer of the usual size
  --numwant N   peers wanted per announce (30; fill: 1)
  --scrapes N   announce: percentage of scrapes among the requests (0)
  --secs N      announce: how long (5); fill: how long at most (600)";

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;

const CONNECT_LEN: usize = 16;
const ANNOUNCE_LEN: usize = 98;
const SCRAPE_LEN: usize = 36;
/// Length of an announce reply before its peers.
const PEERS_AT: usize = 20;

/// A request without a reply for this long is sent again.
const RETRY: Duration = Duration::from_secs(1);
/// Connection ids are good for one minute, by BEP 15.
const RECONNECT: Duration = Duration::from_secs(50);
/// Nothing at all for this long is the end of the run.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The rest after a round in which no socket had anything: the tracker isn't made to pay for
/// waking us, and there is still work in its queue when we come back.
const REST: Duration = Duration::from_micros(20);

fn main() -> ExitCode {
    match obey() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn obey() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["hashes", ref options @ ..] => hashes(&Options::parse(options)?),
        ["fill", addr, ref options @ ..] => {
            let options = Options::parse(options)?;
            run(addr.parse()?, Purpose::Fill, &options)
        }
        ["announce", addr, ref options @ ..] => {
            let options = Options::parse(options)?;
            run(addr.parse()?, Purpose::Announce, &options)
        }
        _ => Err(USAGE.into()),
    }
}

/// What was asked for.
struct Options<'a>(HashMap<&'a str, &'a str>);

impl<'a> Options<'a> {
    fn parse(words: &[&'a str]) -> Result<Options<'a>, Box<dyn Error>> {
        let pairs = words.chunks_exact(2);
        if !pairs.remainder().is_empty() || words.iter().step_by(2).any(|w| !USAGE.contains(w)) {
            return Err(USAGE.into());
        }
        Ok(Options(pairs.map(|pair| (pair[0], pair[1])).collect()))
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, Box<dyn Error>> {
        let value = self.0.get(name).map(|value| value.parse());
        Ok(value.transpose()?.unwrap_or(default))
    }

    fn shape(&self) -> Result<Shape, Box<dyn Error>> {
        match self.0.get("--shape") {
            None | Some(&"even") => Ok(Shape::Even),
            Some(&"zipf") => Ok(Shape::Zipf),
            Some(_) => Err(USAGE.into()),
        }
    }

    fn torrents(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.number("--torrents", 10_000)?.max(1))
    }

    fn seed(&self) -> Result<u64, Box<dyn Error>> {
        self.number("--seed", 1)
    }
}

fn hashes(options: &Options<'_>) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for torrent in 0..options.torrents()? {
        for byte in population::info_hash(options.seed()?, torrent) {
            write!(out, "{byte:02x}")?;
        }
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Fill,
    Announce,
}

fn run(tracker: SocketAddr, purpose: Purpose, options: &Options<'_>) -> Result<(), Box<dyn Error>> {
    let peers = options.number("--peers", 1_000_000)?.max(1);
    let seed = options.seed()?;
    let sockets = options.number("--sockets", 64)?.clamp(1, 4096);
    let window = options.number("--window", 3)?.clamp(1, 256) as usize;
    let fill = purpose == Purpose::Fill;
    let mut load = Load {
        population: Population::new(options.shape()?, options.torrents()?, peers, seed),
        purpose,
        addresses: if tracker.is_ipv4() { sockets } else { 1 },
        sockets,
        numwant: options.number("--numwant", if fill { 1 } else { 30 })? as u32,
        peer_len: if tracker.is_ipv4() { 6 } else { 18 },
        scrapes: options.number("--scrapes", 0)?,
        random: Random::new(seed ^ 0x10ad),
        inbox: Batch::new(window),
        outbox: Batch::new(window + 1),
        count: Count::default(),
        over: false,
    };
    let from = options.number("--from", 0)?;
    let mut clients = Vec::new();
    for number in 0..sockets {
        clients.push(Client::new(tracker, number, sockets, window, from, peers)?);
    }
    kernel::sleep_precisely();
    let secs = options.number("--secs", if fill { 600 } else { 5 })?;
    let elapsed = load.run(&mut clients, Duration::from_secs(secs))?;
    println!("{}", load.count.json(elapsed));
    Ok(())
}

/// One socket, with an id that the tracker gave it.
struct Client {
    socket: UdpSocket,
    /// Its peers are those whose number is this one, modulo the number of sockets.
    number: u64,
    connection: Option<u64>,
    connect_sent: Option<Instant>,
    connected: Option<Instant>,
    slots: Vec<Slot>,
    /// Its first peer to be filled in, how many there are, and how many have had their turn.
    first: u64,
    mine: u64,
    begun: u64,
}

/// A request that may be under way.
#[derive(Clone, Copy)]
struct Slot {
    transaction: u32,
    peer: u64,
    scrape: bool,
    sent: Option<Instant>,
}

impl Client {
    fn new(
        tracker: SocketAddr,
        number: u64,
        sockets: u64,
        window: usize,
        from: u64,
        peers: u64,
    ) -> Result<Client, Box<dyn Error>> {
        let ip = match tracker.ip() {
            IpAddr::V4(_) => {
                let host = 2 + number as u32;
                Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + host * 257).into()
            }
            ip => ip,
        };
        let socket = kernel::bind_udp(SocketAddr::new(ip, 0))?;
        socket.connect(tracker)?;
        let empty = Slot {
            transaction: 0,
            peer: 0,
            scrape: false,
            sent: None,
        };
        // Peers up to `end` that are this socket's.
        let below = |end: u64| (end + sockets - 1).saturating_sub(number) / sockets;
        Ok(Client {
            socket,
            number,
            connection: None,
            connect_sent: None,
            connected: None,
            slots: vec![empty; window],
            first: below(from),
            mine: below(peers),
            begun: below(from),
        })
    }

    /// Whether all its peers have had their turn.
    fn is_begun(&self) -> bool {
        self.begun >= self.mine
    }

    fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| slot.sent.is_none())
    }
}

/// What the clients have in common.
struct Load {
    population: Population,
    purpose: Purpose,
    addresses: u64,
    sockets: u64,
    numwant: u32,
    peer_len: usize,
    scrapes: u64,
    random: Random,
    inbox: Batch,
    outbox: Batch,
    count: Count,
    /// No new requests are to be made.
    over: bool,
}

impl Load {
    /// Goes round the clients until the time is over or everything is filled in, and the last
    /// replies have come; how many seconds that took.
    fn run(&mut self, clients: &mut [Client], time: Duration) -> Result<f64, Box<dyn Error>> {
        let begin = Instant::now();
        let mut heard = begin;
        loop {
            let mut received = 0;
            for client in &mut *clients {
                let now = Instant::now();
                received += self.receive(client, now);
                self.send(client, now);
            }
            let now = Instant::now();
            if received > 0 {
                heard = now;
            } else {
                thread::sleep(REST);
            }
            let done = match self.purpose {
                Purpose::Fill => clients.iter().all(|client| client.is_begun()),
                Purpose::Announce => now - begin >= time,
            };
            self.over |= done;
            if self.over && clients.iter().all(|client| client.is_idle()) {
                return Ok((now - begin).as_secs_f64());
            }
            if now - heard >= SILENCE_MAX {
                return Err("the tracker does not answer any more".into());
            }
            if self.purpose == Purpose::Fill && now - begin >= time {
                return Err("the tracker takes too long".into());
            }
        }
    }

    fn receive(&mut self, client: &mut Client, now: Instant) -> usize {
        let received = self.inbox.receive(&client.socket, false);
        for i in 0..received {
            let datagram = self.inbox.datagram(i);
            let (Some(action), Some(transaction)) = (word(datagram, 0), word(datagram, 4)) else {
                self.count.strange += 1;
                continue;
            };
            if action == CONNECT {
                let id = datagram.get(8..16).and_then(|id| id.try_into().ok());
                client.connection = id.map(u64::from_be_bytes);
                client.connected = Some(now);
                client.connect_sent = None;
                continue;
            }
            let at = (transaction & 0xff) as usize;
            let slot = client.slots.get_mut(at);
            let slot = slot.filter(|slot| slot.transaction == transaction);
            let Some((slot, sent)) = slot.and_then(|slot| slot.sent.map(|sent| (slot, sent)))
            else {
                self.count.strange += 1;
                continue;
            };
            slot.sent = None;
            self.count.latencies.add((now - sent).as_nanos() as u64);
            self.count.bytes += datagram.len() as u64;
            match (action, slot.scrape) {
                (ANNOUNCE, false) => {
                    let peers = datagram.len().saturating_sub(PEERS_AT) / self.peer_len;
                    self.count.announces += 1;
                    self.count.peers += peers as u64;
                    self.count.short += u64::from(peers < self.numwant as usize);
                }
                (SCRAPE, true) => self.count.scrapes += 1,
                _ => {
                    let text = String::from_utf8_lossy(datagram.get(8..).unwrap_or_default());
                    self.count.errors += 1;
                    self.count.error.get_or_insert(text.into_owned());
                }
            }
        }
        received
    }

    fn send(&mut self, client: &mut Client, now: Instant) {
        let mut filled = self.connect(client, now);
        let Some(connection) = client.connection else {
            self.outbox.send(&client.socket, filled);
            return;
        };
        for at in 0..client.slots.len() {
            match client.slots[at].sent {
                Some(sent) if now - sent < RETRY => continue,
                Some(_) => {
                    self.count.timeouts += 1;
                    if self.over && self.purpose == Purpose::Announce {
                        client.slots[at].sent = None;
                        continue;
                    }
                }
                None => {
                    let Some(peer) = self.next(client) else {
                        continue;
                    };
                    let scrape = self.scrapes > 0 && self.random.below(100) < self.scrapes;
                    let slot = &mut client.slots[at];
                    (slot.peer, slot.scrape) = (peer, scrape);
                }
            }
            let slot = &mut client.slots[at];
            slot.transaction = (slot.transaction & !0xff | at as u32).wrapping_add(0x100);
            slot.sent = Some(now);
            let slot = *slot;
            self.compose(filled, connection, &slot);
            filled += 1;
        }
        self.outbox.send(&client.socket, filled);
    }

    /// Asks for a connection id in good time; how many datagrams that makes.
    fn connect(&mut self, client: &mut Client, now: Instant) -> usize {
        let stale = client.connected.is_none_or(|then| now - then >= RECONNECT);
        let asked = client.connect_sent.is_some_and(|sent| now - sent < RETRY);
        if !stale || asked {
            return 0;
        }
        client.connect_sent = Some(now);
        let fields: [&[u8]; 3] = [
            &0x0417_2710_1980u64.to_be_bytes(),
            &CONNECT.to_be_bytes(),
            &[0; 4],
        ];
        put(self.outbox.buffer(0), &fields);
        self.outbox.seal(0, CONNECT_LEN);
        1
    }

    /// The peer whose turn it is.
    fn next(&mut self, client: &mut Client) -> Option<u64> {
        if self.over || client.mine == 0 {
            return None;
        }
        let nth = match self.purpose {
            Purpose::Announce => self.random.below(client.mine),
            Purpose::Fill if client.is_begun() => return None,
            Purpose::Fill => {
                // In no order that the tracker could profit from: a prime goes round the ring.
                let (turn, ring) = (client.begun - client.first, client.mine - client.first);
                client.begun += 1;
                client.first + turn * 2_654_435_761 % ring
            }
        };
        Some(nth * self.sockets + client.number)
    }

    fn compose(&mut self, at: usize, connection: u64, slot: &Slot) {
        let info_hash = self.population.info_hash(slot.peer);
        let action = if slot.scrape { SCRAPE } else { ANNOUNCE };
        let (connection, action) = (connection.to_be_bytes(), action.to_be_bytes());
        let transaction = slot.transaction.to_be_bytes();
        let buffer = self.outbox.buffer(at);
        if slot.scrape {
            put(buffer, &[&connection, &action, &transaction, &info_hash]);
            self.outbox.seal(at, SCRAPE_LEN);
            return;
        }
        let left = u64::from(!population::seeder(slot.peer)) << 20;
        let event = match self.purpose {
            Purpose::Fill => 2u32,
            Purpose::Announce => 0,
        };
        let fields: [&[u8]; 13] = [
            &connection,
            &action,
            &transaction,
            &info_hash,
            &population::peer_id(slot.peer),
            &0u64.to_be_bytes(),
            &left.to_be_bytes(),
            &0u64.to_be_bytes(),
            &event.to_be_bytes(),
            &[0; 4],
            &(slot.peer as u32).to_be_bytes(),
            &self.numwant.to_be_bytes(),
            &population::port(slot.peer, self.addresses).to_be_bytes(),
        ];
        put(buffer, &fields);
        self.outbox.seal(at, ANNOUNCE_LEN);
    }
}

fn put(buffer: &mut [u8], fields: &[&[u8]]) {
    let mut at = 0;
    for field in fields {
        buffer[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
}

fn word(datagram: &[u8], at: usize) -> Option<u32> {
    let bytes = datagram.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}
