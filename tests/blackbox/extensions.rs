//! What BEPs after the first add to announces and scrapes.

use std::net::SocketAddr;

use crate::for_workers;
use crate::harness::bencode::Value;
use crate::harness::http::Http;
use crate::harness::peer::{Announce, Event, InfoHash, scrape_target, torrent};
use crate::harness::tracker::Setup;
use crate::harness::udp::Udp;

for_workers!(partial_seeds_are_leechers_that_want_nothing);

/// Torrents enough to have some on every worker.
const TORRENTS: u64 = 8;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// What a scrape says of one torrent, by name.
#[track_caller]
fn scraped(http: &mut Http, info_hash: &InfoHash) -> Value {
    let answer = http.get(&scrape_target(&[*info_hash])).bencoded();
    match answer.at("files") {
        Value::Dict(files) => files[&info_hash[..]].clone(),
        other => panic!("{other:?}"),
    }
}

/// BEP 21.
fn partial_seeds_are_leechers_that_want_nothing(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for info_hash in (0..TORRENTS).map(torrent) {
        http.announce(&Announce::seeder(info_hash, 1001));
        http.announce(&Announce::leecher(info_hash, 1002));
        let paused = Announce::leecher(info_hash, 1003).event(Event::Paused);
        let told = http.announce(&paused);
        assert_eq!((told.seeders, told.leechers), (1, 2));
        assert_eq!(told.peers, [at(1002)], "a seeder is of no use");
        let also = Announce::leecher(info_hash, 1004).event(Event::Paused);
        let told = udp.announce(&also);
        assert_eq!((told.seeders, told.leechers), (1, 3));
        assert_eq!(told.peers, [at(1002), at(1003)]);
        let counts = |http: &mut Http| {
            let file = scraped(http, &info_hash);
            ["complete", "incomplete", "downloaders"].map(|key| file.int(key))
        };
        assert_eq!(counts(&mut http), [1, 3, 1]);
        assert_eq!(udp.scrape(&[info_hash])[0].leechers, 3);
        // Others are told of them, for they have something to give.
        let told = udp.announce(&Announce::leecher(info_hash, 1002));
        assert_eq!(told.peers, [1001, 1003, 1004].map(at));
        // It has to be said each time.
        http.announce(&Announce::leecher(info_hash, 1003));
        assert_eq!(counts(&mut http), [1, 3, 2]);
        udp.announce(&also.event(Event::Stopped));
        assert_eq!(counts(&mut http), [1, 2, 2]);
    }
}
