//! The status line, one for each pass of the sweep, in etracker's words.

use crate::stats::Sheet;
use crate::stats::page::About;
use crate::types::date;

/// What the last pass of the sweep came to; of several workers the sums, and the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Torrents with more than 256 peers.
    pub large: u64,
    /// The most peers of a torrent.
    pub peers_most: u64,
    /// The most peers kept in one piece, before the pass.
    pub piece_peers_most: u64,
    /// The most torrents kept in one piece, before the pass.
    pub piece_torrents_most: u64,
    /// Peers that went.
    pub peers_gone: u64,
    /// Torrents that went.
    pub torrents_gone: u64,
    /// How long it took, in microseconds of work.
    pub micros: u64,
}

impl Pass {
    /// Adds another worker's.
    pub fn merge(&mut self, other: &Pass) {
        self.large += other.large;
        self.peers_most = self.peers_most.max(other.peers_most);
        self.piece_peers_most = self.piece_peers_most.max(other.piece_peers_most);
        self.piece_torrents_most = self.piece_torrents_most.max(other.piece_torrents_most);
        self.peers_gone += other.peers_gone;
        self.torrents_gone += other.torrents_gone;
        self.micros = self.micros.wrapping_add(other.micros);
    }
}

/// The line, as etracker writes it; `limit` is that of the load, in hundredths.
pub fn line(sheet: &Sheet, about: &About, now: u64, limit: u32) -> String {
    let Pass {
        large,
        peers_most,
        piece_peers_most,
        piece_torrents_most,
        peers_gone,
        torrents_gone,
        micros,
    } = sheet.pass;
    let peers = sheet.seeders + sheet.leechers;
    let torrents = sheet.torrents;
    let [one, five, fifteen] = about.load.map(decimal);
    let limit = decimal(limit);
    let [interval, previous, required] = about.interval;
    let ([tcp4, tcp6], [udp4, udp6]) = (sheet.traffic.last.tcp, sheet.traffic.last.udp);
    format!(
        "{} {peers:7} TP {torrents:7} TT {large:7} TL {peers_most:7} MPT {piece_peers_most:7} MPL \
         {piece_torrents_most:7} MTL {peers_gone:7} RP {torrents_gone:7} RT {micros:7} \u{b5}s  \
         LA: {one} {five} {fifteen}  ML: {limit}  I: {interval} ({previous}->{required}) s  \
         RPS: {tcp4}/{udp4}/{tcp6}/{udp6}\n",
        date(now),
    )
}

/// The same as an object of JSON.
pub fn json(sheet: &Sheet, about: &About, now: u64, limit: u32) -> String {
    let pass = &sheet.pass;
    let [one, five, fifteen] = about.load.map(decimal);
    let limit = decimal(limit);
    let [interval, previous, required] = about.interval;
    let ([tcp4, tcp6], [udp4, udp6]) = (sheet.traffic.last.tcp, sheet.traffic.last.udp);
    format!(
        "{{\"time\":{now},\"TP\":{},\"TT\":{},\"TL\":{},\"MPT\":{},\"MPL\":{},\"MTL\":{},\
         \"RP\":{},\"RT\":{},\"us\":{},",
        sheet.seeders + sheet.leechers,
        sheet.torrents,
        pass.large,
        pass.peers_most,
        pass.piece_peers_most,
        pass.piece_torrents_most,
        pass.peers_gone,
        pass.torrents_gone,
        pass.micros,
    ) + &format!(
        r#""LA":[{one},{five},{fifteen}],"ML":{limit},"I":[{interval},{previous},{required}],"#
    ) + &format!("\"RPS\":[{tcp4},{udp4},{tcp6},{udp6}]}}\n")
}

fn decimal(hundredths: u32) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::traffic::Rates;

    #[test]
    fn both_say_the_same() {
        let mut sheet = Sheet {
            torrents: 2,
            seeders: 3,
            leechers: 4,
            ..Sheet::default()
        };
        sheet.traffic.last = Rates {
            tcp: [1, 3],
            udp: [2, 4],
        };
        let pass = Pass {
            large: 1,
            peers_most: 5,
            piece_peers_most: 6,
            piece_torrents_most: 7,
            peers_gone: 8,
            torrents_gone: 9,
            micros: 333,
        };
        sheet.pass.merge(&pass);
        let about = About {
            load: [44, 21, 1111],
            interval: [299, 239, 299],
            ..About::default()
        };
        assert_eq!(
            line(&sheet, &about, 1_795_575_600, 150),
            "2026-11-25T03:00:00Z       7 TP       2 TT       1 TL       5 MPT       6 MPL       \
             7 MTL       8 RP       9 RT     333 \u{b5}s  LA: 0.44 0.21 11.11  ML: 1.50  \
             I: 299 (239->299) s  RPS: 1/2/3/4\n"
        );
        assert_eq!(
            json(&sheet, &about, 1_795_575_600, 150),
            "{\"time\":1795575600,\"TP\":7,\"TT\":2,\"TL\":1,\"MPT\":5,\"MPL\":6,\"MTL\":7,\
             \"RP\":8,\"RT\":9,\"us\":333,\"LA\":[0.44,0.21,11.11],\"ML\":1.50,\
             \"I\":[299,239,299],\"RPS\":[1,2,3,4]}\n"
        );
    }
}
