//! How often a source may ask: so many times a second in the long run, and what it has not used up
//! lately at once.
//!
//! A source is proven when it has shown that it receives what is sent to its address: a connection
//! does, a connection id does, a datagram alone does not. What comes unproven is counted apart and
//! can only make us answer less of the same: whoever forges an address can't have its owner
//! refused.

use super::Nets;
use super::sources::{Memory, Source, Sources};
use super::strikes::{Penalties, Strikes};
use crate::types::Seconds;
use std::net::IpAddr;
use std::sync::Arc;

/// Of the connects beyond the rate one in so many is answered. Where somebody forges an address,
/// its owner still gets an id within a few tries.
const SLIP: u32 = 8;

/// What sources are granted; a rate of 0 is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paces {
    /// Connects by UDP, and as many complaints about wrong connection ids.
    pub connects_per_sec: u32,
    /// Announces.
    pub announces_per_sec: u32,
    /// Scrapes.
    pub scrapes_per_sec: u32,
    /// New TCP connections.
    pub connections_per_sec: u32,
    /// For how long what is not used can be saved up.
    pub burst_secs: Seconds,
    /// What bans are for.
    pub penalties: Penalties,
    /// How many sources are remembered.
    pub sources: usize,
    /// Who may do as he likes.
    pub exempt: Arc<Nets>,
}

/// What a proven source wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// To announce.
    Announce,
    /// To scrape.
    Scrape,
    /// To open a connection.
    Connection,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Go on.
    Free,
    /// It asks too often.
    TooFast,
    /// It is banned for that many seconds more.
    Banned(Seconds),
}

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It was noted, if that.
    Noted,
    /// It was one too many: the source is banned from now on.
    Banned,
}

/// Keeps sources to their pace; each worker has its own.
#[derive(Clone)]
pub struct Pace {
    paces: Paces,
    unproven: Sources<Levels<2>>,
    proven: Sources<Levels<3>>,
    /// Proven sources with faults.
    bans: Sources<Strikes>,
    /// Addresses that wrong connection ids came from.
    mutes: Sources<Strikes>,
    slips: u32,
}

/// How much was used up, by kind, and as of when.
#[derive(Clone)]
struct Levels<const N: usize> {
    at: Seconds,
    used: [u32; N],
}

impl<const N: usize> Default for Levels<N> {
    fn default() -> Levels<N> {
        let used = [0; N];
        Levels { at: 0, used }
    }
}

impl<const N: usize> Memory for Levels<N> {
    fn is_dear(&self, _: Seconds) -> bool {
        false
    }
}

impl<const N: usize> Levels<N> {
    /// Uses up one of a kind, of which there are `rates[kind]` a second; `false` if none is left.
    fn take(&mut self, now: Seconds, kind: usize, rates: [u32; N], burst_secs: Seconds) -> bool {
        if now != self.at {
            let elapsed = now.saturating_sub(self.at);
            self.at = now;
            for (used, rate) in self.used.iter_mut().zip(rates) {
                *used = used.saturating_sub(rate.saturating_mul(elapsed));
            }
        }
        let most = rates[kind].saturating_mul(burst_secs.max(1));
        let left = self.used[kind] < most;
        self.used[kind] += u32::from(left);
        left
    }
}

impl Pace {
    /// No limits yet; draw the secret at random.
    pub fn new(secret: [u64; 3]) -> Pace {
        Pace {
            paces: Paces::default(),
            unproven: Sources::new(secret),
            proven: Sources::new(secret),
            bans: Sources::new(secret),
            mutes: Sources::new(secret),
            slips: 0,
        }
    }

    /// Puts other limits in force. What is known of sources stays, unless the number of those
    /// remembered changes. What is not limited takes no memory.
    pub fn keep_to(&mut self, paces: Paces) {
        let size = |is_needed: bool| if is_needed { paces.sources } else { 0 };
        let limits = |rates: &[u32]| rates.iter().any(|rate| *rate > 0);
        self.unproven.resize(size(limits(&paces.unproven())));
        self.proven.resize(size(limits(&paces.proven())));
        self.bans.resize(size(paces.penalties.is_on()));
        self.mutes.resize(size(paces.penalties.is_on()));
        self.paces = paces;
    }

    /// Whether to answer a connect that seems to come from `ip`.
    pub fn connect(&mut self, now: Seconds, ip: IpAddr) -> bool {
        if self.unproven(now, ip, 0) {
            return true;
        }
        self.slips = self.slips.wrapping_add(1);
        self.slips.is_multiple_of(SLIP)
    }

    /// Whether to complain about a wrong connection id that seems to come from `ip`.
    pub fn mismatch(&mut self, now: Seconds, ip: IpAddr) -> bool {
        if !self.unproven(now, ip, 1) {
            return false;
        }
        if !self.paces.penalties.is_on() || self.paces.exempt.contains(ip) {
            return true;
        }
        let penalties = self.paces.penalties;
        match self.mutes.entry(now, Source::of(ip)) {
            Some(strikes) if strikes.left(now).is_none() => {
                strikes.add(now, &penalties);
                true
            }
            Some(_) => false,
            None => true,
        }
    }

    /// Whether a source may do what it wants. To want it too often is a fault.
    pub fn request(&mut self, now: Seconds, ip: IpAddr, deed: Deed) -> (Pass, Fault) {
        let is_limited = self.paces.proven()[deed as usize] > 0;
        if !is_limited && !self.paces.penalties.is_on() {
            return (Pass::Free, Fault::Noted);
        }
        let source = Source::of(ip);
        let ban = self.bans.find(now, source);
        if let Some(left) = ban.and_then(|strikes| strikes.left(now))
            && !self.paces.exempt.contains(ip)
        {
            return (Pass::Banned(left), Fault::Noted);
        }
        let (rates, burst_secs) = (self.paces.proven(), self.paces.burst_secs);
        let levels = self.proven.entry(now, source);
        let is_free = !is_limited
            || levels.is_none_or(|levels| levels.take(now, deed as usize, rates, burst_secs))
            || self.paces.exempt.contains(ip);
        match is_free {
            true => (Pass::Free, Fault::Noted),
            false => (Pass::TooFast, self.fault(now, ip)),
        }
    }

    /// Notes a fault of a proven source, such as a torrent that is refused.
    pub fn fault(&mut self, now: Seconds, ip: IpAddr) -> Fault {
        if !self.paces.penalties.is_on() || self.paces.exempt.contains(ip) {
            return Fault::Noted;
        }
        let strikes = self.bans.entry(now, Source::of(ip));
        match strikes.is_some_and(|strikes| strikes.add(now, &self.paces.penalties)) {
            true => Fault::Banned,
            false => Fault::Noted,
        }
    }

    /// How many seconds a source is banned for still.
    pub fn ban(&mut self, now: Seconds, ip: IpAddr) -> Option<Seconds> {
        let strikes = self.bans.find(now, Source::of(ip))?;
        strikes.left(now)
    }

    /// Bans a source for so long, 0 for no longer; `false` where there are no bans.
    pub fn set_ban(&mut self, now: Seconds, ip: IpAddr, secs: Seconds) -> bool {
        let strikes = self.bans.entry(now, Source::of(ip));
        strikes.map(|strikes| strikes.ban(now, secs)).is_some()
    }

    /// Shows some of the sources that are banned, and for how long, from `place` on, and returns
    /// where to go on; `None` when all have been shown.
    pub fn walk_bans(
        &self,
        now: Seconds,
        place: usize,
        step: usize,
        mut show: impl FnMut(IpAddr, Seconds),
    ) -> Option<usize> {
        self.bans.walk(place, step, |source, strikes| {
            if let Some(left) = strikes.left(now) {
                show(source.into(), left);
            }
        })
    }

    fn unproven(&mut self, now: Seconds, ip: IpAddr, kind: usize) -> bool {
        let (rates, burst_secs) = (self.paces.unproven(), self.paces.burst_secs);
        if rates[kind] == 0 {
            return true;
        }
        let levels = self.unproven.entry(now, Source::of(ip));
        levels.is_none_or(|levels| levels.take(now, kind, rates, burst_secs))
            || self.paces.exempt.contains(ip)
    }
}

impl Paces {
    fn unproven(&self) -> [u32; 2] {
        [self.connects_per_sec; 2]
    }

    /// In the order of [`Deed`].
    fn proven(&self) -> [u32; 3] {
        [
            self.announces_per_sec,
            self.scrapes_per_sec,
            self.connections_per_sec,
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::types::Net;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    fn ip(n: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, n).into()
    }

    fn paces() -> Paces {
        Paces {
            connects_per_sec: 2,
            announces_per_sec: 3,
            scrapes_per_sec: 1,
            connections_per_sec: 1,
            burst_secs: 4,
            sources: 1024,
            ..Paces::default()
        }
    }

    fn pace(paces: Paces) -> Pace {
        let mut pace = Pace::new([1 << 60 | 5, 1 << 61 | 7, 1 << 62 | 9]);
        pace.keep_to(paces);
        pace
    }

    fn strict() -> Paces {
        Paces {
            penalties: Penalties {
                strikes: 3,
                window_secs: 60,
                ban_secs: 100,
            },
            ..paces()
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much of the same for Miri")]
    fn off_means_that_nothing_is_remembered() {
        let mut pace = pace(Paces {
            sources: 1000,
            burst_secs: 1,
            ..Paces::default()
        });
        for _ in 0..10_000 {
            assert!(pace.connect(5, ip(1)) && pace.mismatch(5, ip(1)));
            let told = pace.request(5, ip(1), Deed::Announce);
            assert_eq!(told, (Pass::Free, Fault::Noted));
            assert_eq!(pace.fault(5, ip(1)), Fault::Noted);
        }
    }

    #[test]
    fn the_exempt_may_do_as_they_like() {
        let exempt = Arc::new(Nets::from_iter([Net::host(ip(1))]));
        let mut pace = pace(Paces { exempt, ..strict() });
        for _ in 0..1000 {
            assert!(pace.connect(5, ip(1)) && pace.mismatch(5, ip(1)));
            assert_eq!(pace.fault(5, ip(1)), Fault::Noted);
            assert_eq!(pace.request(5, ip(1), Deed::Scrape).0, Pass::Free);
        }
        let others = (0..1000).filter(|_| pace.request(5, ip(2), Deed::Scrape).0 == Pass::Free);
        assert_eq!(others.count(), 4);
    }

    #[test]
    fn beyond_the_rate_one_connect_in_some_is_answered() {
        let mut pace = pace(paces());
        let answered = (0..8 + 80).filter(|_| pace.connect(9, ip(1))).count();
        assert_eq!(answered, 8 + 80 / SLIP as usize);
        let complaints = (0..100).filter(|_| pace.mismatch(9, ip(1))).count();
        assert_eq!(complaints, 8);
    }

    #[test]
    fn bans_are_set_seen_and_lifted() {
        let mut pace = pace(strict());
        assert!(pace.set_ban(5, ip(1), 50));
        assert_eq!(pace.request(6, ip(1), Deed::Announce).0, Pass::Banned(49));
        assert_eq!((pace.ban(6, ip(1)), pace.ban(6, ip(2))), (Some(49), None));
        let mut seen = Vec::new();
        let mut place = Some(0);
        while let Some(at) = place {
            place = pace.walk_bans(7, at, 64, |ip, left| seen.push((ip, left)));
        }
        assert_eq!(seen, [(ip(1), 48)]);
        assert!(pace.set_ban(8, ip(1), 0));
        assert_eq!(pace.request(8, ip(1), Deed::Announce).0, Pass::Free);
        let mut without = super::tests::pace(paces());
        assert!(!without.set_ban(5, ip(1), 50));
    }

    /// Whoever forges an address can do nothing to its owner who has a connection id.
    #[test]
    fn what_is_unproven_bans_nobody() {
        let mut pace = pace(strict());
        for _ in 0..1000 {
            pace.connect(5, ip(1));
            pace.mismatch(5, ip(1));
        }
        assert!(!pace.mismatch(6, ip(1)), "still complaining");
        assert_eq!(pace.request(6, ip(1), Deed::Announce).0, Pass::Free);
        // Nor is the number of complaints unlimited in the long run.
        assert!(!pace.mismatch(100, ip(1)) && pace.mismatch(106, ip(1)));
    }

    #[test]
    fn floods_and_faults_lead_to_a_ban_that_ends() {
        let mut pace = pace(strict());
        let faults: Vec<_> = (0..3).map(|_| pace.fault(10, ip(1))).collect();
        assert_eq!(faults, [Fault::Noted, Fault::Noted, Fault::Banned]);
        assert_eq!(pace.request(11, ip(1), Deed::Scrape).0, Pass::Banned(99));
        assert_eq!(pace.request(11, ip(2), Deed::Scrape).0, Pass::Free);
        assert_eq!(pace.request(110, ip(1), Deed::Scrape).0, Pass::Free);
        let mut told = (0..20).map(|_| pace.request(200, ip(1), Deed::Announce));
        assert!(told.any(|(pass, fault)| pass == Pass::TooFast && fault == Fault::Banned));
    }

    /// Tokens counted one by one, second by second.
    #[derive(Default)]
    struct Naive(BTreeMap<(u8, usize), (Seconds, u32)>);

    impl Naive {
        fn take(&mut self, now: Seconds, source: u8, kind: usize, rate: u32) -> bool {
            let most = rate * 4;
            let (at, tokens) = self.0.entry((source, kind)).or_insert((0, most));
            while *at < now {
                *at += 1;
                *tokens = (*tokens + rate).min(most);
            }
            let left = *tokens > 0;
            *tokens -= u32::from(left);
            left
        }
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn agrees_with_counting_tokens(
            steps in prop::collection::vec((0u32..4, 0u8..20, 0usize..4), 1..400),
        ) {
            let mut pace = pace(paces());
            let (mut naive, mut now) = (Naive::default(), 0);
            for (wait, source, kind) in steps {
                // Mostly at once, now and then after a pause.
                now += if wait == 3 { u32::from(source) } else { 0 };
                let deeds = [Deed::Announce, Deed::Scrape, Deed::Connection];
                let (said, expected) = match deeds.get(kind) {
                    Some(&deed) => {
                        let rate = paces().proven()[deed as usize];
                        let (pass, _) = pace.request(now, ip(source), deed);
                        (pass == Pass::Free, naive.take(now, source, kind, rate))
                    }
                    None => (pace.mismatch(now, ip(source)), naive.take(now, source, kind, 2)),
                };
                prop_assert_eq!(said, expected, "{} {} {}", now, source, kind);
            }
        }

        #[test]
        fn no_rate_is_too_large(
            rate: u32, burst_secs: u32, times in prop::collection::vec(any::<u32>(), 1..50),
        ) {
            let mut pace = pace(Paces {
                announces_per_sec: rate,
                connects_per_sec: rate,
                burst_secs,
                ..paces()
            });
            for now in times {
                let (pass, _) = pace.request(now, ip(1), Deed::Announce);
                prop_assert!(pass == Pass::Free || rate < 50);
                pace.connect(now, ip(1));
            }
        }
    }
}
