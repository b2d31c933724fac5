//! Who may speak, about what.
//!
//! The room promises one answer to every request, from values it was given: no files, no clock,
//! no locks. When a list changes, a new [`Gate`] is made from it and takes the place of the old
//! one whole. In doubt the answer is no: a list that could not be read lets nobody in.
//!
//! Rules are the same for all workers and remember nothing; what is remembered of those who ask,
//! in tables of a fixed size, each worker keeps for itself, in its [`Pace`].

mod clients;
mod cookie;
mod hashes;
mod keys;
mod lines;
mod modest;
mod nets;
mod pace;
mod proxies;
mod ranges;
mod siphash;
mod sources;
mod strikes;

pub use clients::{Clients, Rule};
pub use cookie::Cookie;
pub use hashes::{HashFeed, HashList};
pub use keys::KeyList;
pub use lines::BadLines;
pub use modest::Modest;
pub use nets::Nets;
pub use pace::{Deed, Fault, Pace, Paces, Pass};
pub use proxies::Proxies;
pub use ranges::{Ranges, neighbourhood};
pub use sources::SOURCES_MAX;
pub use strikes::Penalties;

use crate::types::{Announce, Event, InfoHash, Seconds};
use std::net::IpAddr;
use std::sync::Arc;

/// Which torrents may be announced.
#[derive(Clone, Debug, Default)]
pub enum Torrents {
    /// All of them: an open tracker.
    #[default]
    All,
    /// Those of a whitelist. An empty list refuses all, and stands for one that can't be read.
    Only(Arc<HashList>),
    /// All but those of a blacklist. There is no stand-in for one that can't be read.
    AllBut(Arc<HashList>),
}

/// Decides every request; cloning it costs a few counters.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// Which torrents may be announced.
    pub torrents: Torrents,
    /// Whose requests are heeded: theirs whose URL has one of these keys (BEP 27). `None` means
    /// everybody's; an empty list refuses all, and stands for one that can't be read.
    pub keys: Option<Arc<KeyList>>,
    /// Who may read the statistics; `None` means everybody.
    pub stats_readers: Option<Arc<Nets>>,
    /// Who may have the list of all torrents; `None` means everybody, no network nobody.
    pub full_scrapers: Option<Arc<Nets>>,
    /// Whose requests are kept for the operator to read.
    pub watched: Arc<Nets>,
    /// Who may speak for others.
    pub proxies: Arc<Proxies>,
    /// Who may say at which address a peer is.
    pub ip_from_query: Arc<Nets>,
    /// Whom nothing is answered.
    pub denied: Arc<Ranges>,
    /// Which programs may announce.
    pub clients: Arc<Clients>,
}

/// What the gate says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Answer with the reason and do nothing else.
    Refuse(Reason),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The tracker is private, and the client has no key to it.
    NoKey,
    /// The torrent is not on the whitelist.
    NotListed,
    /// The torrent is on the blacklist.
    Banned,
    /// The client may not read the statistics.
    StatsClosed,
    /// The client's network is on the deny list.
    Denied,
    /// The client's program is not allowed.
    Program,
    /// The client asks too often.
    TooFast,
    /// The client is banned, for that long still.
    Struck(Seconds),
    /// The client may not have the list of all torrents.
    FullScrapeClosed,
}

/// When a refused client may ask again (BEP 31, `retry in`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It need not.
    Never,
    /// After this many minutes.
    Minutes(u16),
}

impl Gate {
    /// Whether a torrent may be announced. Leaving a swarm is always allowed, or those of a
    /// torrent just banned would stay in it.
    pub fn announce(&self, info_hash: &InfoHash, event: Event) -> Verdict {
        if event == Event::Stopped {
            return Verdict::Allow;
        }
        match &self.torrents {
            Torrents::Only(list) if !list.contains(info_hash) => Verdict::Refuse(Reason::NotListed),
            Torrents::AllBut(list) if list.contains(info_hash) => Verdict::Refuse(Reason::Banned),
            _ => Verdict::Allow,
        }
    }

    /// Whether to take what another tracker tells of a peer: no torrent and nobody that would be
    /// refused here, and that somebody has left in any case.
    pub fn learn(&self, told: &Announce) -> Verdict {
        if told.event != Event::Stopped && self.denied.contains(told.peer.ip()) {
            return Verdict::Refuse(Reason::Denied);
        }
        self.announce(&told.info_hash, told.event)
    }

    /// Whether it takes a key to be heard.
    pub fn is_private(&self) -> bool {
        self.keys.is_some()
    }

    /// Whether a client whose URL has this key may announce and scrape. Nothing is allowed without
    /// one, leaving neither: who asks is told of the swarm.
    pub fn key(&self, key: Option<&[u8]>) -> Verdict {
        match &self.keys {
            Some(keys) if !key.is_some_and(|key| keys.contains(key)) => {
                Verdict::Refuse(Reason::NoKey)
            }
            _ => Verdict::Allow,
        }
    }

    /// Whether a client at `source` may read the statistics.
    pub fn stats(&self, source: IpAddr) -> Verdict {
        match &self.stats_readers {
            Some(nets) if !nets.contains(source) => Verdict::Refuse(Reason::StatsClosed),
            _ => Verdict::Allow,
        }
    }

    /// Whether a client at `source` may have the list of all torrents.
    pub fn full_scrape(&self, source: IpAddr) -> Verdict {
        match &self.full_scrapers {
            Some(nets) if !nets.contains(source) => Verdict::Refuse(Reason::FullScrapeClosed),
            _ => Verdict::Allow,
        }
    }

    /// The address to register for a client that announces from `client` and says that the peer is
    /// at `said`. The unspecified addresses mean that it is where it announces from.
    pub fn peer(&self, client: IpAddr, said: Option<IpAddr>) -> IpAddr {
        said.map(|ip| ip.to_canonical())
            .filter(|ip| !ip.is_unspecified() && self.ip_from_query.contains(client))
            .unwrap_or(client)
    }
}

impl Reason {
    /// What the client is told; opentracker's words, which other programs know.
    pub fn text(self) -> &'static str {
        match self {
            Reason::NotListed | Reason::Banned => {
                "Requested download is not authorized for use with this tracker."
            }
            Reason::NoKey => {
                "This tracker is private: its URL must have a key in it that the tracker knows."
            }
            Reason::FullScrapeClosed => "A scrape must name the torrents it asks about.",
            Reason::StatsClosed => "Access to the statistics is not allowed from this address.",
            Reason::Denied => "Access is not allowed from this address.",
            Reason::Program => "Your client is not allowed on this tracker.",
            Reason::TooFast => "Too many requests from this address, slow down.",
            Reason::Struck(_) => "Too many bad requests from this address, it is banned for now.",
        }
    }

    /// When it makes sense to ask again. Whitelists grow, commonly by the hour.
    pub fn retry(self) -> Retry {
        match self {
            Reason::NotListed => Retry::Minutes(60),
            Reason::NoKey | Reason::Banned | Reason::StatsClosed => Retry::Never,
            Reason::FullScrapeClosed | Reason::Denied | Reason::Program => Retry::Never,
            Reason::TooFast => Retry::Minutes(1),
            Reason::Struck(secs) => {
                Retry::Minutes(u16::try_from(secs.div_ceil(60)).unwrap_or(u16::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::types::{Net, PeerAddr, Want};

    const LISTED: InfoHash = InfoHash([0x11; 20]);
    const OTHER: InfoHash = InfoHash([0x22; 20]);

    fn list() -> Arc<HashList> {
        Arc::new(HashList::parse("11".repeat(20).as_bytes()).0)
    }

    fn gate(torrents: Torrents) -> Gate {
        Gate {
            torrents,
            ..Gate::default()
        }
    }

    #[test]
    fn an_open_tracker_lets_everybody_in() {
        let gate = Gate::default();
        assert_eq!(gate.announce(&OTHER, Event::Started), Verdict::Allow);
        assert_eq!(gate.stats("192.0.2.1".parse().unwrap()), Verdict::Allow);
    }

    #[test]
    fn a_whitelist_allows_what_it_names() {
        let gate = gate(Torrents::Only(list()));
        assert_eq!(gate.announce(&LISTED, Event::Started), Verdict::Allow);
        assert_eq!(
            gate.announce(&OTHER, Event::None),
            Verdict::Refuse(Reason::NotListed)
        );
    }

    #[test]
    fn a_whitelist_that_is_not_there_refuses_all() {
        let gate = gate(Torrents::Only(Arc::default()));
        assert_eq!(
            gate.announce(&LISTED, Event::Started),
            Verdict::Refuse(Reason::NotListed)
        );
    }

    #[test]
    fn a_blacklist_refuses_what_it_names() {
        let gate = gate(Torrents::AllBut(list()));
        assert_eq!(
            gate.announce(&LISTED, Event::Completed),
            Verdict::Refuse(Reason::Banned)
        );
        assert_eq!(gate.announce(&OTHER, Event::Started), Verdict::Allow);
    }

    #[test]
    fn leaving_is_always_allowed() {
        for torrents in [Torrents::Only(Arc::default()), Torrents::AllBut(list())] {
            assert_eq!(
                gate(torrents).announce(&LISTED, Event::Stopped),
                Verdict::Allow
            );
        }
    }

    #[test]
    fn others_can_not_tell_of_what_is_refused_here() {
        let told = |info_hash, ip: [u8; 4], event| Announce {
            info_hash,
            peer: PeerAddr::new(ip.into(), 1),
            peer_id: None,
            event,
            seeder: true,
            want: Want {
                numwant: 0,
                both: false,
                ids: false,
            },
            keep_secs: 2700,
        };
        let gate = Gate {
            denied: Arc::new(Ranges::from_iter([
                Net::new([10, 0, 0, 0].into(), 8).unwrap()
            ])),
            ..gate(Torrents::AllBut(list()))
        };
        for (hash, ip, refused) in [
            (OTHER, [192, 0, 2, 1], None),
            (OTHER, [10, 0, 2, 1], Some(Reason::Denied)),
            (LISTED, [192, 0, 2, 1], Some(Reason::Banned)),
        ] {
            let verdict = refused.map_or(Verdict::Allow, Verdict::Refuse);
            assert_eq!(gate.learn(&told(hash, ip, Event::None)), verdict);
            assert_eq!(gate.learn(&told(hash, ip, Event::Stopped)), Verdict::Allow);
        }
    }

    #[test]
    fn a_private_tracker_wants_a_key() {
        let open = Gate::default();
        assert!(!open.is_private());
        assert_eq!(open.key(None), Verdict::Allow);
        let (keys, _) = KeyList::parse(b"one\ntwo", [0; 32]);
        for (keys, known) in [(keys, true), (KeyList::parse(b"", [0; 32]).0, false)] {
            let keys = Some(Arc::new(keys));
            let gate = Gate {
                keys,
                ..Gate::default()
            };
            assert!(gate.is_private());
            let refused = Verdict::Refuse(Reason::NoKey);
            let expected = if known { Verdict::Allow } else { refused };
            assert_eq!(gate.key(Some(b"two")), expected);
            assert_eq!(gate.key(Some(b"three")), refused);
            assert_eq!(gate.key(None), refused);
        }
        assert_eq!(Reason::NoKey.retry(), Retry::Never);
    }

    #[test]
    fn statistics_are_for_their_readers() {
        let lan = Net::new("192.168.0.0".parse().unwrap(), 16).unwrap();
        let stats_readers = Some(Arc::new(Nets::from_iter([lan])));
        let gate = Gate {
            stats_readers,
            ..Gate::default()
        };
        assert_eq!(gate.stats("192.168.7.7".parse().unwrap()), Verdict::Allow);
        let stranger = "192.0.2.1".parse().unwrap();
        assert_eq!(gate.stats(stranger), Verdict::Refuse(Reason::StatsClosed));
    }

    #[test]
    fn only_some_may_say_where_a_peer_is() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let seedbox = Net::new(ip("192.168.0.7"), 32).unwrap();
        let gate = Gate {
            ip_from_query: Arc::new(Nets::from_iter([seedbox])),
            ..Gate::default()
        };
        for (client, said, peer) in [
            ("192.168.0.7", "1.2.3.4", "1.2.3.4"),
            ("192.168.0.7", "2001:db8::1", "2001:db8::1"),
            ("192.168.0.7", "::ffff:1.2.3.4", "1.2.3.4"),
            ("192.168.0.7", "0.0.0.0", "192.168.0.7"),
            ("192.168.0.7", "::", "192.168.0.7"),
            ("192.168.0.8", "1.2.3.4", "192.168.0.8"),
            ("::1", "1.2.3.4", "::1"),
        ] {
            assert_eq!(gate.peer(ip(client), Some(ip(said))), ip(peer), "{said}");
            assert_eq!(gate.peer(ip(client), None), ip(client));
        }
    }
}
