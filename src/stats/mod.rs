//! Counting.
//!
//! Every worker owns its [`Counters`], plain integers that nobody else touches. Somebody who wants
//! to know asks all workers for their [`Sheet`] and merges them. Nothing here knows sockets or
//! time; whoever counts says what, and of which family.

pub mod dashboard;
mod everything;
pub mod metrics;
pub mod modes;
mod networks;
pub mod page;
pub mod status;
mod top;
pub mod traffic;

pub use networks::Networks;
pub use top::{PLACES_MAX, Top};

use crate::types::{Family, Seconds};
use traffic::{Call, Flow, Traffic};

/// What is counted, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Count {
    /// TCP connections accepted.
    TcpAccept,
    /// TCP connections refused: too many.
    TcpRefused,
    /// HTTP announces that could be understood, denied ones included.
    HttpAnnounce,
    /// HTTP scrapes that could be understood.
    HttpScrape,
    /// Full scrapes, `tpbs` and `statedump` included, that were begun.
    FullScrape,
    /// Bytes of their answers.
    FullScrapeBytes,
    /// Full scrapes refused for their frequency: 429.
    HttpTooSoon,
    /// HTTP announces and scrapes that were turned away, with a failure reason.
    HttpDenied,
    /// Requests that were led elsewhere: 302.
    HttpRedirect,
    /// What was no request, or a longer one than there may be: 400, 405, 413, 414, 431, 505.
    HttpMalformed,
    /// Requests with a parameter that is missing or wrong: 400, or for announces and scrapes a
    /// failure reason and 200, where opentracker says 400.
    HttpInvalid,
    /// Statistics not for the asker: 403.
    HttpForbidden,
    /// Paths that lead nowhere: 404.
    HttpNotFound,
    /// Requests that couldn't be served: 500, and 503 when too busy.
    HttpUnavailable,
    /// Connections closed because they were too slow.
    HttpTimeout,
    /// Datagrams received.
    UdpReceived,
    /// Connection ids given out.
    UdpConnect,
    /// UDP announces with a valid connection id.
    UdpAnnounce,
    /// UDP announces that went to another worker by letter: the kernel did not steer them.
    UdpLetter,
    /// UDP scrapes with a valid connection id.
    UdpScrape,
    /// Requests with a wrong or stale connection id.
    UdpMismatch,
    /// Datagrams that are no request.
    UdpMalformed,
    /// UDP announces and scrapes that were refused with an error packet.
    UdpFailure,
    /// Replies the kernel took.
    UdpSent,
    /// Replies it did not take.
    UdpSendDropped,
    /// Requests by UDP to which nothing was said: of sources that ask too often or are not to be
    /// heard, with a wrong connection id when enough was said about those, or for want of room.
    UdpUnanswered,
    /// Requests dropped because another worker's inbox was full.
    Busy,
    /// Requests and connections from networks of the deny list.
    Denied,
    /// Requests and connections of sources that ask too often.
    TooFast,
    /// Requests of sources under a ban.
    Banned,
    /// Bans that began.
    Bans,
    /// Wrong connection ids about which nobody was told.
    UdpMuted,
    /// Announces of programs that are not allowed.
    Program,
    /// Panics of workers, which went on without their torrents.
    WorkerPanics,
    /// Packets of live sync from nodes.
    SyncReceived,
    /// Peers told of in them, denied ones included.
    SyncRecord,
    /// Of these, those the access list denied.
    SyncDenied,
    /// Packets of live sync from elsewhere.
    SyncRefused,
    /// Packets and records of live sync that make no sense.
    SyncMalformed,
    /// Packets of live sync that the kernel took.
    SyncSent,
    /// Those it did not take.
    SyncUnsent,
    /// New torrents of one peer that had to make room: memory or their number is limited.
    Evicted,
    /// Announces that were answered and not stored for want of room.
    Unstored,
    /// Announces that came long before they should, and were told of no peers.
    Early,
    /// Peers that were not taken in because their swarm was full.
    SwarmFull,
    /// Peers that were not taken in because their address had enough of them in the swarm.
    AddressFull,
    /// Announces that were handed to the meta-tracker.
    MetaWish,
    /// Announces that were not, since it had too many waiting.
    MetaDropped,
    /// Announces that asked for it from addresses that may not.
    MetaStranger,
    /// The same of torrents that are never passed on.
    MetaDenied,
    /// The same by URLs with a key in them.
    MetaPrivate,
    /// The same of other meta-trackers.
    MetaLoop,
    /// Answers that waited for what others know.
    MetaHeld,
    /// Answers that could not, since too many did.
    MetaUnheld,
    /// Peers to be told of to other nodes.
    BusTold,
    /// Of these, those that were sent to them.
    BusSent,
    /// Those that were not, since too many waited.
    BusDropped,
    /// Frames that were sent.
    BusFrames,
    /// Bytes of them.
    BusBytes,
    /// Frames that came from other nodes and were of use.
    BusReceived,
    /// Bytes of them.
    BusReceivedBytes,
    /// Peers told of in them that were taken in, or taken out.
    BusLearned,
    /// Those the access list denied.
    BusDenied,
    /// Those of whom something newer was known.
    BusStale,
    /// Those that had been silent for too long since.
    BusExpired,
    /// Those that too many waited for.
    BusLost,
    /// Frames of this node that came back.
    BusOwn,
    /// Frames that came a second time.
    BusDuplicate,
    /// Frames that were none, or damaged.
    BusMalformed,
    /// Frames that were not signed as they should be.
    BusForged,
    /// Frames that seemed to be missing, before they were looked for in the stream.
    BusMissing,
    /// Times that the stream was read.
    BusCaughtUp,
    /// Connections to the server that were made.
    BusConnects,
    /// Those that were lost, and tries that came to nothing.
    BusFailures,
    /// Snapshots that were written.
    Snapshots,
    /// Those that couldn't be.
    SnapshotFailures,
    /// Requests that could not be written to the access log.
    AccessLost,
}

/// Every count by name, in order.
pub const COUNTS: [(Count, &str); 77] = [
    (Count::TcpAccept, "tcp accepted"),
    (Count::TcpRefused, "tcp refused"),
    (Count::HttpAnnounce, "http announces"),
    (Count::HttpScrape, "http scrapes"),
    (Count::FullScrape, "full scrapes"),
    (Count::FullScrapeBytes, "full scrape bytes"),
    (Count::HttpTooSoon, "http too soon"),
    (Count::HttpDenied, "http denied"),
    (Count::HttpRedirect, "http redirects"),
    (Count::HttpMalformed, "http malformed"),
    (Count::HttpInvalid, "http invalid"),
    (Count::HttpForbidden, "http forbidden"),
    (Count::HttpNotFound, "http not found"),
    (Count::HttpUnavailable, "http unavailable"),
    (Count::HttpTimeout, "http timeouts"),
    (Count::UdpReceived, "udp received"),
    (Count::UdpConnect, "udp connects"),
    (Count::UdpAnnounce, "udp announces"),
    (Count::UdpLetter, "udp letters"),
    (Count::UdpScrape, "udp scrapes"),
    (Count::UdpMismatch, "udp mismatches"),
    (Count::UdpMalformed, "udp malformed"),
    (Count::UdpFailure, "udp failures"),
    (Count::UdpSent, "udp sent"),
    (Count::UdpSendDropped, "udp unsent"),
    (Count::UdpUnanswered, "udp unanswered"),
    (Count::Busy, "busy"),
    (Count::Denied, "denied networks"),
    (Count::TooFast, "too fast"),
    (Count::Banned, "banned"),
    (Count::Bans, "bans"),
    (Count::UdpMuted, "udp muted"),
    (Count::Program, "programs refused"),
    (Count::WorkerPanics, "worker panics"),
    (Count::SyncReceived, "sync received"),
    (Count::SyncRecord, "sync records"),
    (Count::SyncDenied, "sync denied"),
    (Count::SyncRefused, "sync refused"),
    (Count::SyncMalformed, "sync malformed"),
    (Count::SyncSent, "sync sent"),
    (Count::SyncUnsent, "sync unsent"),
    (Count::Evicted, "torrents evicted"),
    (Count::Unstored, "announces not stored"),
    (Count::Early, "too early"),
    (Count::SwarmFull, "swarm full"),
    (Count::AddressFull, "address full"),
    (Count::MetaWish, "meta wishes"),
    (Count::MetaDropped, "meta dropped"),
    (Count::MetaStranger, "meta strangers"),
    (Count::MetaDenied, "meta denied"),
    (Count::MetaPrivate, "meta private urls"),
    (Count::MetaLoop, "meta loops"),
    (Count::MetaHeld, "meta held"),
    (Count::MetaUnheld, "meta unheld"),
    (Count::BusTold, "bus told"),
    (Count::BusSent, "bus sent"),
    (Count::BusDropped, "bus dropped"),
    (Count::BusFrames, "bus frames"),
    (Count::BusBytes, "bus bytes"),
    (Count::BusReceived, "bus received"),
    (Count::BusReceivedBytes, "bus received bytes"),
    (Count::BusLearned, "bus learned"),
    (Count::BusDenied, "bus denied"),
    (Count::BusStale, "bus stale"),
    (Count::BusExpired, "bus expired"),
    (Count::BusLost, "bus lost"),
    (Count::BusOwn, "bus own"),
    (Count::BusDuplicate, "bus duplicates"),
    (Count::BusMalformed, "bus malformed"),
    (Count::BusForged, "bus forged"),
    (Count::BusMissing, "bus missing"),
    (Count::BusCaughtUp, "bus caught up"),
    (Count::BusConnects, "bus connects"),
    (Count::BusFailures, "bus failures"),
    (Count::Snapshots, "snapshots"),
    (Count::SnapshotFailures, "snapshot failures"),
    (Count::AccessLost, "access log lost"),
];

/// The counters of one worker, or the sum of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([[u64; COUNTS.len()]; 2]);

impl Default for Counters {
    fn default() -> Counters {
        Counters([[0; COUNTS.len()]; 2])
    }
}

impl Counters {
    /// Counts one.
    pub fn count(&mut self, family: Family, what: Count) {
        self.add(family, what, 1);
    }

    /// Counts several.
    pub fn add(&mut self, family: Family, what: Count, n: u64) {
        let count = &mut self.0[family as usize][what as usize];
        *count = count.wrapping_add(n);
    }

    /// The count for one family.
    pub fn of(&self, family: Family, what: Count) -> u64 {
        self.0[family as usize][what as usize]
    }

    /// The count for both families.
    pub fn total(&self, what: Count) -> u64 {
        self.of(Family::V4, what)
            .wrapping_add(self.of(Family::V6, what))
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Counters) {
        for (family, others) in self.0.iter_mut().zip(&other.0) {
            for (count, other) in family.iter_mut().zip(others) {
                *count = count.wrapping_add(*other);
            }
        }
    }
}

/// Numwants that are told apart: opentracker grants 200 at most.
pub const NUMWANTS: usize = 201;

/// Minutes since a peer's last announce that are told apart: opentracker's peers live for 45.
pub const RENEWALS: usize = 45;

/// How often each number up to `N` came, `N` excluded; what is larger counts as the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<const N: usize>(pub [u64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Tally<N> {
        Tally([0; N])
    }
}

impl<const N: usize> Tally<N> {
    /// Counts one of this number.
    pub fn count(&mut self, number: usize) {
        if let Some(count) = self.0.get_mut(number.min(N.saturating_sub(1))) {
            *count = count.wrapping_add(1);
        }
    }

    fn merge(&mut self, other: &Tally<N>) {
        for (count, other) in self.0.iter_mut().zip(&other.0) {
            *count = count.wrapping_add(*other);
        }
    }
}

/// What the texts are made from.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The sum of all workers' sheets.
    pub sum: Sheet,
    /// How long the tracker has been running.
    pub uptime: Seconds,
    /// Tells this run of the tracker from others.
    pub tracker_id: u32,
}

/// What one worker reports, or the sum of several reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Requests and answers.
    pub counters: Counters,
    /// Announces by their numwant, as far as it is granted.
    pub numwants: Tally<NUMWANTS>,
    /// Announces of known peers by the minutes since their last.
    pub renewals: Tally<RENEWALS>,
    /// What went over the sockets.
    pub traffic: Traffic,
    /// What the last pass of the sweep came to.
    pub pass: status::Pass,
    /// Torrents known.
    pub torrents: u64,
    /// Seeders in them.
    pub seeders: u64,
    /// Leechers in them.
    pub leechers: u64,
    /// Downloads completed since the start.
    pub completed: u64,
    /// Bytes that torrents and peers take.
    pub bytes: u64,
    /// Bytes they may take at present; 0 if there is no limit.
    pub bytes_max: u64,
    /// Workers, each with the microseconds it has spent on a CPU.
    pub workers: Vec<(usize, u64)>,
}

impl Sheet {
    /// Connections there are at present.
    pub fn connections(&self) -> u64 {
        let closed = self.traffic.of(Flow::Closed);
        let gone = closed.wrapping_add(self.traffic.failed(Call::Close));
        self.counters.total(Count::TcpAccept).saturating_sub(gone)
    }

    /// Datagrams received, of each family.
    pub fn datagrams(&self) -> [u64; 2] {
        [Family::V4, Family::V6].map(|family| self.counters.of(family, Count::UdpReceived))
    }

    /// The sum of all workers' sheets.
    pub fn sum<'a>(sheets: impl IntoIterator<Item = &'a Sheet>) -> Sheet {
        let mut sum = Sheet::default();
        for sheet in sheets {
            sum.counters.merge(&sheet.counters);
            sum.numwants.merge(&sheet.numwants);
            sum.renewals.merge(&sheet.renewals);
            sum.traffic.merge(&sheet.traffic);
            sum.pass.merge(&sheet.pass);
            sum.torrents += sheet.torrents;
            sum.seeders += sheet.seeders;
            sum.leechers += sheet.leechers;
            sum.completed = sum.completed.wrapping_add(sheet.completed);
            sum.bytes += sheet.bytes;
            sum.bytes_max += sheet.bytes_max;
            sum.workers.extend(&sheet.workers);
        }
        sum.workers.sort_unstable();
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_named_in_their_order() {
        for (column, (count, _)) in COUNTS.iter().enumerate() {
            assert_eq!(*count as usize, column);
        }
    }

    #[test]
    fn sheets_add_up() {
        let mut a = Sheet {
            torrents: 1,
            seeders: 2,
            leechers: 3,
            bytes: 100,
            bytes_max: 200,
            ..Sheet::default()
        };
        a.counters.count(Family::V4, Count::UdpConnect);
        let mut b = Sheet {
            torrents: 10,
            completed: 5,
            bytes: 1,
            bytes_max: 2,
            ..Sheet::default()
        };
        b.counters.add(Family::V6, Count::UdpConnect, 2);
        a.numwants.count(200);
        [200, 65_535].iter().for_each(|n| b.numwants.count(*n));
        [0, 44, 45].iter().for_each(|n| b.renewals.count(*n));
        let sum = Sheet::sum([&a, &b]);
        assert_eq!(
            (sum.torrents, sum.seeders, sum.leechers, sum.completed),
            (11, 2, 3, 5)
        );
        assert_eq!((sum.bytes, sum.bytes_max), (101, 202));
        assert_eq!(sum.counters.of(Family::V4, Count::UdpConnect), 1);
        assert_eq!(sum.counters.total(Count::UdpConnect), 3);
        assert_eq!(sum.counters.total(Count::Busy), 0);
        assert_eq!(sum.numwants.0[200], 3);
        assert_eq!((sum.renewals.0[0], sum.renewals.0[44]), (1, 2));
        assert_eq!(sum.numwants.0[..200], [0; 200]);
    }
}
