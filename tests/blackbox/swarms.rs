//! Swarms, as clients of both protocols and families see them.

use std::net::SocketAddr;

use crate::for_workers;
use crate::harness::has_ipv6;
use crate::harness::http::Http;
use crate::harness::peer::{Announce, Event, torrent};
use crate::harness::tracker::Setup;
use crate::harness::udp::{Counts, Udp};

for_workers!(
    udp_and_http_meet,
    families_meet_and_keep_apart,
    nobody_is_told_of_himself,
    who_stops_is_gone,
    a_completion_counts_once,
    seeders_are_told_of_leechers_only,
);

/// Torrents enough to have some on every worker.
const TORRENTS: u64 = 12;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn udp_and_http_meet(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for info_hash in (0..TORRENTS).map(torrent) {
        let told = http.announce(&Announce::seeder(info_hash, 1001).event(Event::Started));
        assert_eq!((told.seeders, told.leechers, told.peers.len()), (1, 0, 0));
        let told = udp.announce(&Announce::leecher(info_hash, 1002).event(Event::Started));
        assert_eq!((told.seeders, told.leechers), (1, 1));
        assert_eq!(told.peers, [at(1001)]);
        assert!((1620..1980).contains(&told.interval), "{}", told.interval);
        let told = http.announce(&Announce::leecher(info_hash, 1003));
        assert_eq!((told.seeders, told.leechers), (1, 2));
        assert_eq!(told.peers, [at(1001), at(1002)]);
        // The same peer by the other way.
        let told = http.announce(&Announce::seeder(info_hash, 1002));
        assert_eq!((told.seeders, told.leechers), (2, 1));
        let counts = Counts {
            seeders: 2,
            completed: 0,
            leechers: 1,
        };
        assert_eq!(udp.scrape(&[info_hash]), [counts]);
    }
}

fn families_meet_and_keep_apart(workers: usize) {
    if !has_ipv6() {
        return;
    }
    let tracker = Setup::both_families().workers(workers).start();
    let (old, new) = (Udp::connect(tracker.udp()), Udp::connect(tracker.udp6()));
    for info_hash in (0..TORRENTS).map(torrent) {
        old.announce(&Announce::seeder(info_hash, 4001));
        new.announce(&Announce::leecher(info_hash, 6001));
        let told = new.announce(&Announce::leecher(info_hash, 6002));
        assert_eq!((told.seeders, told.leechers), (1, 2));
        assert_eq!(told.peers, ["[::1]:6001".parse::<SocketAddr>().unwrap()]);
        let told = old.announce(&Announce::leecher(info_hash, 4002));
        assert_eq!((told.seeders, told.leechers), (1, 3));
        assert_eq!(told.peers, [at(4001)]);
        let counts = Counts {
            seeders: 1,
            completed: 0,
            leechers: 3,
        };
        assert_eq!(new.scrape(&[info_hash]), [counts]);
        assert_eq!(old.scrape(&[info_hash]), [counts]);
    }
}

fn nobody_is_told_of_himself(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for info_hash in (0..TORRENTS).map(torrent) {
        for port in 1001..1010 {
            http.announce(&Announce::leecher(info_hash, port));
        }
        for port in 1001..1010 {
            let me = Announce::leecher(info_hash, port);
            let others: Vec<_> = (1001..1010).filter(|p| *p != port).map(at).collect();
            assert_eq!(udp.announce(&me).peers, others);
            assert_eq!(http.announce(&me).peers, others);
        }
    }
}

fn who_stops_is_gone(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for info_hash in (0..TORRENTS).map(torrent) {
        let (a, b) = (
            Announce::leecher(info_hash, 1001),
            Announce::seeder(info_hash, 1002),
        );
        http.announce(&a);
        udp.announce(&b);
        let told = http.announce(&b.event(Event::Stopped));
        assert_eq!((told.seeders, told.leechers), (0, 1));
        assert_eq!(
            udp.announce(&Announce::leecher(info_hash, 1003)).peers,
            [at(1001)]
        );
        let told = udp.announce(&a.event(Event::Stopped));
        assert_eq!((told.seeders, told.leechers, told.peers.len()), (0, 1, 0));
        // Whom nobody knew may go as well.
        let told = udp.announce(&Announce::leecher(info_hash, 1009).event(Event::Stopped));
        assert_eq!((told.seeders, told.leechers), (0, 1));
        let told = http.announce(&Announce::leecher(info_hash, 1004).event(Event::Unknown));
        assert_eq!((told.leechers, told.peers), (2, vec![at(1003)]));
    }
}

fn a_completion_counts_once(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for info_hash in (0..TORRENTS).map(torrent) {
        http.announce(&Announce::leecher(info_hash, 1001).event(Event::Started));
        let done = Announce::seeder(info_hash, 1001).event(Event::Completed);
        let told = http.announce(&done);
        assert_eq!((told.seeders, told.leechers, told.completed), (1, 0, 1));
        udp.announce(&done);
        assert_eq!(http.announce(&done).completed, 1);
        let counts = Counts {
            seeders: 1,
            completed: 1,
            leechers: 0,
        };
        assert_eq!(udp.scrape(&[info_hash]), [counts]);
        udp.announce(&Announce::leecher(info_hash, 1002));
        udp.announce(&Announce::seeder(info_hash, 1002).event(Event::Completed));
        assert_eq!(udp.scrape(&[info_hash])[0].completed, 2);
    }
}

fn seeders_are_told_of_leechers_only(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for info_hash in (0..TORRENTS).map(torrent) {
        for port in 1001..1005 {
            udp.announce(&Announce::seeder(info_hash, port));
        }
        let seeder = Announce::seeder(info_hash, 1001);
        assert_eq!(http.announce(&seeder).peers, []);
        assert_eq!(udp.announce(&seeder).peers, []);
        http.announce(&Announce::leecher(info_hash, 2001));
        assert_eq!(udp.announce(&seeder).peers, [at(2001)]);
        let told = http.announce(&Announce::leecher(info_hash, 2002));
        assert_eq!(told.peers, [1001, 1002, 1003, 1004, 2001].map(at));
    }
}

/// Whatever is asked for, a reply by UDP stays below what networks carry in one piece.
#[test]
fn a_large_swarm_fits_a_datagram() {
    let tracker = Setup::both_families().workers(2).start();
    let mut families = vec![(tracker.udp(), 200, 1452)];
    if has_ipv6() {
        families.push((tracker.udp6(), 60, 1232));
    }
    for (to, peers_min, len_max) in families {
        let udp = Udp::connect(to);
        for port in 1..=2000 {
            udp.announce(&Announce::leecher(torrent(1), port).numwant(0));
        }
        for (numwant, listed) in [(0, 0), (1, 1), (30, 30)] {
            let me = Announce::leecher(torrent(1), 3000).numwant(numwant);
            assert_eq!(udp.announce(&me).peers.len(), listed);
        }
        for numwant in [-1, 1000, i32::MAX, i32::MIN] {
            let me = Announce::leecher(torrent(1), 3000).numwant(numwant);
            let reply = udp.ask(&me.datagram(udp.id, 9));
            assert!(reply.len() <= len_max, "{} bytes", reply.len());
            let mut peers = udp.announced(&reply, 9).peers;
            assert!(
                peers.len() >= peers_min,
                "{} peers for {numwant}",
                peers.len()
            );
            peers.dedup();
            assert_eq!(
                peers.len(),
                udp.announced(&reply, 9).peers.len(),
                "one came twice"
            );
        }
    }
    let mut http = Http::connect(tracker.tcp());
    let told = http.announce(&Announce::leecher(torrent(1), 3000).numwant(i32::MAX));
    assert_eq!(told.peers.len(), 200);
}
