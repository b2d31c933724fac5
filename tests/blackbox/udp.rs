//! UDP: datagrams of every length and kind, and who is answered.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::for_workers;
use crate::harness::peer::{Announce, Event, InfoHash, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::{Counts, Refusal, Udp, connect, scrape};
use crate::harness::{Random, has_ipv6};

for_workers!(
    connects_of_all_lengths,
    an_id_is_good_for_its_address,
    forged_ids_are_refused_in_short,
    announces_of_all_lengths,
    extremes_have_defined_answers,
    scrapes_of_all_lengths,
    junk_is_survived,
);

/// The tracker's UDP addresses, of the families this machine has, and for each the number from
/// which on its torrents are counted, since families share their torrents.
fn addresses(tracker: &Tracker) -> Vec<(u64, SocketAddr)> {
    let mut all = vec![(0, tracker.udp())];
    if has_ipv6() {
        all.push((1000, tracker.udp6()));
    }
    all
}

fn start(workers: usize) -> Tracker {
    let setup = if has_ipv6() {
        Setup::both_families()
    } else {
        Setup::new()
    };
    setup.workers(workers).start()
}

fn connects_of_all_lengths(workers: usize) {
    let tracker = start(workers);
    for (_, to) in addresses(&tracker) {
        let udp = Udp::connect(to);
        assert_ne!(udp.id, 0);
        for len in [16, 17, 100, 1400] {
            let mut request = connect(len as u32);
            request.resize(len, 0);
            let reply = udp.ask(&request);
            assert_eq!(reply.len(), 16);
            assert_eq!(reply[..4], [0; 4]);
            assert_eq!(reply[4..8], (len as u32).to_be_bytes());
            assert_ne!(reply[8..], [0; 8]);
        }
        let mut wrong_magic = connect(1);
        wrong_magic[7] ^= 1;
        let mut wrong_action = connect(1);
        wrong_action[11] = 4;
        for silent in [&connect(1)[..15], &wrong_magic, &wrong_action, &[]] {
            assert_eq!(udp.told(silent), Vec::<Vec<u8>>::new());
        }
    }
}

fn an_id_is_good_for_its_address(workers: usize) {
    let tracker = start(workers);
    for (first, to) in addresses(&tracker) {
        let mut other_port = Udp::connect(to);
        other_port.id = Udp::connect(to).id;
        for info_hash in (first..first + 8).map(torrent) {
            let announce = Announce::leecher(info_hash, 1);
            assert_eq!(other_port.announce(&announce).leechers, 1);
        }
    }
    let id = Udp::connect(tracker.udp()).id;
    let other = Udp::stranger("127.0.0.2".parse().unwrap(), tracker.udp());
    for n in 0..8 {
        let reply = other.ask(&Announce::leecher(torrent(n), 1).datagram(id, 3));
        let refusal = Refusal::parse(&reply).expect("a refusal");
        assert_eq!(refusal.transaction, 3);
    }
    assert_eq!(
        Udp::connect(tracker.udp()).scrape(&[torrent(0)])[0].leechers,
        1
    );
}

fn forged_ids_are_refused_in_short(workers: usize) {
    let tracker = start(workers);
    for (first, to) in addresses(&tracker) {
        let udp = Udp::connect(to);
        let mut random = Random::new(1);
        let mut forged = vec![0, 0x0417_2710_1980, u64::MAX, udp.id.swap_bytes()];
        forged.extend((0..64).map(|bit| udp.id ^ (1 << bit)));
        forged.extend((0..30).map(|_| random.next()));
        for (n, id) in forged.into_iter().enumerate() {
            let info_hash = torrent(first + n as u64);
            for request in [
                Announce::seeder(info_hash, 1).datagram(id, 9),
                scrape(id, 9, &[info_hash]),
                scrape(id, 9, &[info_hash, torrent(1)]),
                scrape(id, 9, &[]),
            ] {
                let told = udp.told(&request);
                // Silence where the words would be longer than the request.
                assert_eq!(told.len(), usize::from(request.len() >= 36), "id {id:x}");
                for reply in told {
                    assert!(reply.len() <= request.len());
                    assert_eq!(Refusal::parse(&reply).unwrap().transaction, 9);
                }
            }
        }
        assert_eq!(
            udp.scrape(&[torrent(first)])[0].seeders,
            0,
            "one was believed"
        );
    }
}

fn announces_of_all_lengths(workers: usize) {
    let tracker = start(workers);
    for (first, to) in addresses(&tracker) {
        let udp = Udp::connect(to);
        let options = b"\x02\x0c/dir?a=b&c=d\x01\x01\x02\xff/announce\x63\x05abc";
        for n in 0..4 {
            let mut request = Announce::leecher(torrent(first + n), 7000).datagram(udp.id, 4);
            request.extend(options);
            for len in 98..=request.len() {
                let told = udp.announced(&udp.ask(&request[..len]), 4);
                assert_eq!((told.leechers, told.peers.len()), (1, 0), "{len} bytes");
            }
            for short in [&request[..97], &request[..40]] {
                assert_eq!(udp.told(short), Vec::<Vec<u8>>::new());
            }
        }
    }
}

fn extremes_have_defined_answers(workers: usize) {
    let tracker = start(workers);
    for (first, to) in addresses(&tracker) {
        let udp = Udp::connect(to);
        for info_hash in (first..first + 6).map(torrent) {
            for port in [1, 2, 65535] {
                udp.announce(&Announce::leecher(info_hash, port));
            }
            let me = Announce::leecher(info_hash, 3);
            for (numwant, listed) in [
                (-1, 3),
                (0, 0),
                (1, 1),
                (2, 2),
                (i32::MAX, 3),
                (i32::MIN, 3),
            ] {
                assert_eq!(
                    udp.announce(&me.numwant(numwant)).peers.len(),
                    listed,
                    "{numwant}"
                );
            }
            let reply = udp.ask(&Announce::leecher(info_hash, 0).datagram(udp.id, 8));
            let refusal = Refusal::parse(&reply).expect("port 0 is refused");
            assert!(refusal.text.contains("port"), "{refusal:?}");
            assert_eq!(udp.announce(&me.event(Event::Unknown)).leechers, 4);
            assert_eq!(udp.announce(&me.event(Event::Stopped)).leechers, 3);
            let all = Announce {
                left: u64::MAX,
                ..me
            };
            assert_eq!(udp.announce(&all.event(Event::Started)).leechers, 4);
        }
    }
}

fn scrapes_of_all_lengths(workers: usize) {
    let tracker = start(workers);
    for (first, to) in addresses(&tracker) {
        let udp = Udp::connect(to);
        let hashes: Vec<InfoHash> = (first..first + 80).map(torrent).collect();
        for (n, info_hash) in hashes.iter().enumerate().step_by(2) {
            for port in 0..n % 5 + 1 {
                udp.announce(&Announce::leecher(*info_hash, 100 + port as u16));
            }
        }
        for asked in [0, 1, 2, 73, 74, 75, 80] {
            let counts = udp.scrape(&hashes[..asked]);
            assert_eq!(counts.len(), asked.min(74), "{asked} asked for");
            for (n, counts) in counts.iter().enumerate() {
                let leechers = if n % 2 == 0 { n as u32 % 5 + 1 } else { 0 };
                let expected = Counts {
                    seeders: 0,
                    completed: 0,
                    leechers,
                };
                assert_eq!(*counts, expected, "torrent {n} of {asked}");
            }
        }
        let ragged = scrape(udp.id, 6, &hashes[..2]);
        for cut in 1..20 {
            let reply = udp.ask(&ragged[..ragged.len() - cut]);
            assert_eq!(reply.len(), 8 + 12, "{cut} bytes cut off");
        }
    }
}

fn junk_is_survived(workers: usize) {
    let tracker = start(workers);
    for (first, to) in addresses(&tracker) {
        let udp = Udp::connect(to);
        let mut random = Random::new(7);
        let mut lens: Vec<usize> = (0..=2000).collect();
        lens.extend([4096, 9000, 16_384, 65_000, 65_507]);
        for len in lens {
            let mut junk = random.bytes(len);
            // A third looks like an announce, a third like a scrape, of a stranger.
            if len >= 16 && len % 3 > 0 {
                junk[8..12].copy_from_slice(&[0, 0, 0, (len % 3) as u8]);
            }
            let told = udp.told(&junk);
            assert!(told.len() <= 1, "{} replies to one request", told.len());
            assert!(
                told.iter().all(|reply| reply.len() <= len),
                "{len} bytes of junk"
            );
        }
        let announce = Announce::leecher(torrent(first), 9);
        assert_eq!(udp.announce(&announce).leechers, 1);
    }
    tracker.stop();
}

/// The replies come to connected sockets, which take them from the asked address only.
#[test]
fn replies_leave_from_the_asked_address() {
    for workers in [1, 4] {
        let setup = Setup::bare().workers(workers).setting("listen.tcp_udp *:0");
        let tracker = setup.start();
        let port = tracker.udp().port();
        let mut asked = vec!["127.0.0.1", "127.0.0.2", "127.3.2.1"];
        let own: Option<IpAddr> = own_address();
        let own = own.map(|ip| ip.to_string());
        asked.extend(own.as_deref());
        for ip in asked {
            let ip: IpAddr = ip.parse().unwrap();
            let to = SocketAddr::new(ip, port);
            let from: IpAddr = if ip.is_loopback() {
                "127.0.0.1".parse().unwrap()
            } else {
                ip
            };
            // Some of the torrents are another worker's, which answers as well.
            for n in 0..8 {
                let udp = Udp::connect_from(from, to);
                assert_eq!(udp.announce(&Announce::leecher(torrent(n), 5)).leechers, 1);
                let both = [torrent(n), torrent(n + 1)];
                assert_eq!(udp.scrape(&both).len(), 2);
                udp.announce(&Announce::leecher(torrent(n), 5).event(Event::Stopped));
            }
        }
        if has_ipv6() {
            let udp = Udp::connect(SocketAddr::new(
                "::1".parse().unwrap(),
                tracker.udp6().port(),
            ));
            assert_eq!(udp.announce(&Announce::leecher(torrent(9), 5)).leechers, 1);
        }
    }
}

/// An address of this machine that is not loopback, if it has a way out.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback()).then_some(ip)
}
