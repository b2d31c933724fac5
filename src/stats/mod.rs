//! Counting.
//!
//! Every worker owns its [`Counters`], plain integers that nobody else touches. Somebody who wants
//! to know asks all workers for their [`Sheet`] and merges them. Nothing here knows sockets or
//! time; whoever counts says what, and of which family.

pub mod modes;

use crate::types::Family;

/// What is counted, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Count {
    /// TCP connections accepted.
    TcpAccept,
    /// TCP connections refused: too many.
    TcpRefused,
    /// HTTP announces, refused ones included.
    HttpAnnounce,
    /// HTTP scrapes.
    HttpScrape,
    /// HTTP announces and scrapes that were refused with a failure reason.
    HttpFailure,
    /// HTTP requests answered with an error status.
    HttpError,
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
    /// UDP announces that were refused with an error packet.
    UdpFailure,
    /// Replies the kernel took.
    UdpSent,
    /// Replies it did not take.
    UdpSendDropped,
    /// Requests dropped because another worker's inbox was full.
    Busy,
}

/// Every count by name, in order.
pub const COUNTS: [(Count, &str); 18] = [
    (Count::TcpAccept, "tcp accepted"),
    (Count::TcpRefused, "tcp refused"),
    (Count::HttpAnnounce, "http announces"),
    (Count::HttpScrape, "http scrapes"),
    (Count::HttpFailure, "http failures"),
    (Count::HttpError, "http errors"),
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
    (Count::Busy, "busy"),
];

/// The counters of one worker, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters([[u64; COUNTS.len()]; 2]);

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

    fn merge(&mut self, other: &Counters) {
        for (family, others) in self.0.iter_mut().zip(&other.0) {
            for (count, other) in family.iter_mut().zip(others) {
                *count = count.wrapping_add(*other);
            }
        }
    }
}

/// What one worker reports, or the sum of several reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Requests and answers.
    pub counters: Counters,
    /// Torrents known.
    pub torrents: u64,
    /// Seeders in them.
    pub seeders: u64,
    /// Leechers in them.
    pub leechers: u64,
    /// Downloads completed since the start.
    pub completed: u64,
}

impl Sheet {
    /// The sum of all workers' sheets.
    pub fn sum<'a>(sheets: impl IntoIterator<Item = &'a Sheet>) -> Sheet {
        let mut sum = Sheet::default();
        for sheet in sheets {
            sum.counters.merge(&sheet.counters);
            sum.torrents += sheet.torrents;
            sum.seeders += sheet.seeders;
            sum.leechers += sheet.leechers;
            sum.completed = sum.completed.wrapping_add(sheet.completed);
        }
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
            ..Sheet::default()
        };
        a.counters.count(Family::V4, Count::UdpConnect);
        let mut b = Sheet {
            torrents: 10,
            completed: 5,
            ..Sheet::default()
        };
        b.counters.add(Family::V6, Count::UdpConnect, 2);
        let sum = Sheet::sum([&a, &b]);
        assert_eq!(
            (sum.torrents, sum.seeders, sum.leechers, sum.completed),
            (11, 2, 3, 5)
        );
        assert_eq!(sum.counters.of(Family::V4, Count::UdpConnect), 1);
        assert_eq!(sum.counters.total(Count::UdpConnect), 3);
        assert_eq!(sum.counters.total(Count::Busy), 0);
    }
}
