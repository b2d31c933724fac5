//! The trackers there are, and what is known of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::mem;
use std::net::SocketAddr;

use super::health::Health;
use super::job::Failure;
use crate::client::url::{Scheme, Url};
use crate::meta::Millis;
use crate::types::{Family, InfoHash};

/// The most trackers that are known.
pub const UPSTREAMS_MAX: usize = 500;

/// After how many seconds of failures a tracker is forgotten.
const LOST_SECS: u64 = 30 * 24 * 3600;

/// How long a tracker that must not be asked is left alone: its address may change.
const BARRED_MILLIS: Millis = 6 * 3600 * 1000;

/// What the file of the state begins with.
const HEAD: &str = "trackerd meta 1\n";

/// The place of a tracker here.
pub type Id = usize;

/// A tracker.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its one name.
    pub url: Url,
    /// How good it is.
    pub health: Health,
    /// Whether a file names it.
    pub in_file: bool,
    /// Whether a list that was fetched names it.
    pub in_list: bool,
    /// Where it is asked by UDP; kept until then.
    pub addrs: Vec<SocketAddr>,
    pub addrs_until: Millis,
    /// Whether its addresses are being looked up.
    pub resolving: bool,
    /// Torrents that wait for that.
    pub waiting: Vec<InfoHash>,
    /// Torrents whose counts are wanted.
    pub scrapes: Vec<InfoHash>,
    /// Why it must not be asked, and until when.
    pub barred: Option<(&'static str, Millis)>,
    /// When it is asked next, as far as is known.
    pub next: Millis,
}

impl Upstream {
    fn new(url: Url) -> Upstream {
        Upstream {
            url,
            health: Health::default(),
            in_file: false,
            in_list: false,
            addrs: Vec::new(),
            addrs_until: 0,
            resolving: false,
            waiting: Vec::new(),
            scrapes: Vec::new(),
            barred: None,
            next: 0,
        }
    }

    /// Whether it is asked by UDP.
    pub fn is_udp(&self) -> bool {
        self.url.scheme == Scheme::Udp
    }

    /// Whether it may be asked at all.
    pub fn is_open(&self, now: Millis) -> bool {
        (self.in_file || self.in_list) && self.barred.is_none_or(|(_, until)| until <= now)
    }

    /// Its address of a family, or else of any.
    pub fn addr(&self, family: Family) -> Option<SocketAddr> {
        let is_his = |addr: &&SocketAddr| Family::of(addr.ip()) == family;
        let addr = self.addrs.iter().find(is_his).or(self.addrs.first());
        addr.copied()
    }

    /// Takes note of a failure.
    pub fn fail(&mut self, now: Millis, wall: u64, failure: &Failure) {
        match failure {
            Failure::Forbidden(why) => {
                self.barred = Some((why, now.saturating_add(BARRED_MILLIS)));
            }
            Failure::Refused(..) => self.health.refuse(now, wall),
            Failure::Unreachable | Failure::Malformed => self.health.fail(now, wall),
            Failure::Unable => {}
        }
    }
}

/// All of them.
#[derive(Default)]
pub struct Directory {
    all: Vec<Upstream>,
    ids: BTreeMap<Url, Id>,
}

impl Directory {
    /// Says which trackers files name, in place of those named until now. They take the places of
    /// others if there is no room; the places where others are now.
    pub fn name_in_files(&mut self, urls: impl IntoIterator<Item = Url>) -> Vec<Id> {
        self.all
            .iter_mut()
            .for_each(|upstream| upstream.in_file = false);
        // Those that are known first, lest they have to make room.
        let urls = urls.into_iter();
        let (known, new): (Vec<_>, Vec<_>) = urls.partition(|url| self.ids.contains_key(url));
        let mut taken = Vec::new();
        for url in known.into_iter().chain(new) {
            if let Some(id) = self.put(url, true, &mut taken) {
                self.all[id].in_file = true;
            }
        }
        taken
    }

    /// Says that a list names these, too. They take the places of those that nobody names any more
    /// if there is no room; the places where others are now.
    pub fn name_in_list(&mut self, urls: impl IntoIterator<Item = Url>) -> Vec<Id> {
        let mut taken = Vec::new();
        for url in urls {
            if let Some(id) = self.put(url, false, &mut taken) {
                self.all[id].in_list = true;
            }
        }
        taken
    }

    /// No list counts any longer.
    pub fn forget_lists(&mut self) {
        self.all
            .iter_mut()
            .for_each(|upstream| upstream.in_list = false);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// One of them.
    pub fn at(&mut self, id: Id) -> &mut Upstream {
        &mut self.all[id]
    }

    /// All of them, in the order in which they became known.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &Upstream)> {
        self.all.iter().enumerate()
    }

    /// The place of a tracker; one that is not known takes another's, if it must.
    fn put(&mut self, url: Url, in_file: bool, taken: &mut Vec<Id>) -> Option<Id> {
        if let Some(id) = self.ids.get(&url) {
            return Some(*id);
        }
        let id = match self.all.len() < UPSTREAMS_MAX {
            true => self.all.len(),
            false => self.dispensable(in_file)?,
        };
        self.ids.insert(url.clone(), id);
        match self.all.get_mut(id) {
            Some(upstream) => {
                let before = mem::replace(upstream, Upstream::new(url));
                self.ids.remove(&before.url);
                taken.push(id);
            }
            None => self.all.push(Upstream::new(url)),
        }
        Some(id)
    }

    /// Who has to make room: one that nobody names, or only a list if a file names the new one; of
    /// these one that answers the least. Nobody whose address is being looked up.
    fn dispensable(&self, in_file: bool) -> Option<Id> {
        let may = |upstream: &Upstream| {
            !upstream.in_file && !upstream.resolving && (in_file || !upstream.in_list)
        };
        let all = self.iter().filter(|(_, upstream)| may(upstream));
        let worst = all.min_by(|(_, a), (_, b)| {
            let ratios = a.health.ratio().total_cmp(&b.health.ratio());
            a.in_list.cmp(&b.in_list).then(ratios)
        });
        worst.map(|(id, _)| id)
    }

    /// What is worth to be kept for the next start: a line for each tracker, and for each node of
    /// the distributed hash table.
    pub fn save(&self, nodes: &[SocketAddr]) -> String {
        let mut text = HEAD.to_owned();
        for upstream in &self.all {
            let Health {
                successes,
                failures,
                good,
                bad,
                use_share,
                rtt,
                peers,
                answered,
                ..
            } = upstream.health;
            let list = if upstream.in_list { "list" } else { "file" };
            let rtt = rtt.unwrap_or(-1.0);
            // Writing to a string can't fail.
            let _ = writeln!(
                text,
                "tracker {} {list} {successes} {failures} {good} {bad} {use_share} {rtt} {peers} \
                 {answered}",
                upstream.url
            );
        }
        for node in nodes {
            let _ = writeln!(text, "node {node}");
        }
        text
    }

    /// Takes up what was kept; the nodes in it. What can't be understood is skipped, and who has
    /// not answered for too long as well; `wall` is the time of day.
    pub fn load(&mut self, text: &[u8], wall: u64) -> Vec<SocketAddr> {
        let mut nodes = Vec::new();
        let Some(rest) = text.strip_prefix(HEAD.as_bytes()) else {
            return nodes;
        };
        for line in rest.split(|byte| *byte == b'\n') {
            let Ok(line) = str::from_utf8(line) else {
                continue;
            };
            let mut words = line.split(' ');
            match words.next() {
                Some("tracker") => {
                    let _ = self.load_tracker(&mut words, wall);
                }
                Some("node") if nodes.len() < UPSTREAMS_MAX => {
                    nodes.extend(
                        words
                            .next()
                            .and_then(|node| node.parse::<SocketAddr>().ok()),
                    );
                }
                _ => {}
            }
        }
        nodes
    }

    fn load_tracker<'a>(
        &mut self,
        words: &mut impl Iterator<Item = &'a str>,
        wall: u64,
    ) -> Option<()> {
        let url = Url::parse(words.next()?).filter(|url| !url.is_private_looking())?;
        let in_list = words.next()? == "list";
        let health = Health {
            successes: words.next()?.parse().ok()?,
            failures: words.next()?.parse().ok()?,
            good: share(words.next()?, f32::MAX)?,
            bad: share(words.next()?, f32::MAX)?,
            use_share: share(words.next()?, 1.0)?,
            rtt: words
                .next()?
                .parse()
                .ok()
                .filter(|rtt| *rtt >= 0.0 && *rtt < 1e6),
            peers: words.next()?.parse().ok()?,
            answered: words.next()?.parse().ok()?,
            ..Health::default()
        };
        let silent = wall.saturating_sub(health.answered);
        if silent > LOST_SECS && health.failures > 3 {
            return None;
        }
        let id = self.put(url, false, &mut Vec::new())?;
        self.all[id].health = health;
        self.all[id].in_list = in_list;
        Some(())
    }
}

/// Takes up what was kept, for fuzzers. Whether what is understood of it is kept again, the same,
/// and trackers can be judged by it.
pub fn is_kept(text: &[u8]) -> bool {
    let wall = 1_700_000_000;
    let (mut first, mut second) = (Directory::default(), Directory::default());
    let nodes = first.load(text, wall);
    let kept = first.save(&nodes);
    let same = second.load(kept.as_bytes(), wall) == nodes && second.save(&nodes) == kept;
    let health = first.iter().map(|(_, upstream)| &upstream.health);
    let scores = health.flat_map(|health| [health.ratio(), health.score(7)]);
    same && { scores }.all(|score| (0.0..=1.1).contains(&score))
}

fn share(text: &str, max: f32) -> Option<f32> {
    let number: f32 = text.parse().ok()?;
    (0.0..=max).contains(&number).then_some(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn who_is_named_in_a_file_finds_a_place() {
        let many = |name: &str, numbers: std::ops::Range<usize>| -> Vec<Url> {
            let urls = numbers.map(|n| url(&format!("udp://{name}{n}.example:1")));
            urls.collect()
        };
        let named = |directory: &Directory| {
            let count = |is: fn(&Upstream) -> bool| {
                let all = directory.iter().map(|(_, upstream)| upstream);
                all.filter(|upstream| is(upstream)).count()
            };
            (count(|u| u.in_file), count(|u| u.in_list), directory.len())
        };
        let mut directory = Directory::default();
        assert_eq!(directory.name_in_files(many("a", 0..10)), []);
        assert_eq!(directory.name_in_list(many("b", 0..600)), []);
        assert_eq!(named(&directory), (10, 490, 500));
        // One of the list that was never good, but not one that was.
        directory.at(10).health.succeed(1, 1, 1);
        directory.at(12).health.fail(1, 1);
        assert_eq!(directory.name_in_files(many("a", 0..11)), [12]);
        assert_eq!(named(&directory), (11, 489, 500));
        // Those that files name no longer make room first, and for lists as well.
        let taken = directory.name_in_files(many("c", 0..1));
        assert!(taken.len() == 1 && (taken[0] < 10 || taken[0] == 12));
        assert_eq!(directory.name_in_list(many("b", 490..600)).len(), 10);
        assert_eq!(named(&directory), (1, 499, 500));
        assert_eq!(directory.name_in_list(many("d", 0..9)), []);
        // All that files name, as far as there is room at all; each place has one tracker.
        directory.name_in_files(many("e", 0..600));
        assert_eq!(named(&directory), (500, 0, 500));
        let places = directory.ids.iter();
        assert!(
            places
                .clone()
                .all(|(url, id)| directory.all[*id].url == *url)
        );
        assert_eq!(places.count(), 500);
    }

    #[test]
    fn what_is_kept_is_taken_up_again() {
        let mut before = Directory::default();
        before.name_in_files([url("udp://a.example:1"), url("http://b.example/announce")]);
        before.name_in_list([
            url("https://c.example/announce?x=1"),
            url("udp://a.example:1"),
        ]);
        before.at(0).health.succeed(5, 120, 1_000_000);
        before.at(0).health.tell(10, 3);
        before.at(1).health.fail(7, 9);
        let nodes = ["1.2.3.4:5".parse().unwrap(), "[2a00::1]:6".parse().unwrap()];
        let text = before.save(&nodes);
        let mut after = Directory::default();
        assert_eq!(after.load(text.as_bytes(), 1_000_001), nodes);
        assert_eq!(after.len(), 3);
        for (id, upstream) in before.iter() {
            let again = after.at(id);
            assert_eq!(
                (&again.url, again.in_list),
                (&upstream.url, upstream.in_list)
            );
            let (was, is) = (&upstream.health, &again.health);
            assert_eq!((was.successes, was.failures), (is.successes, is.failures));
            assert_eq!((was.good, was.bad, was.rtt), (is.good, is.bad, is.rtt));
            assert_eq!((was.peers, was.answered), (is.peers, is.answered));
        }
        assert_eq!(after.save(&nodes), text);
        // Nobody names it any more.
        assert!(after.at(0).is_open(0) && !after.at(1).is_open(0));
    }

    #[test]
    fn who_was_silent_for_a_month_is_forgotten() {
        let mut directory = Directory::default();
        let lines = "tracker udp://a.example:1 list 5 9 0 0 1 -1 0 1000\n\
                     tracker udp://b.example:1 list 5 0 0 0 1 -1 0 1000\n\
                     tracker udp://c.example:1 list 5 NaN 0 0 1 -1 0 1000\n\
                     tracker udp://d.example:1 list 5 0 NaN 0 1 -1 0 1000\n";
        directory.load(format!("{HEAD}{lines}").as_bytes(), 1000 + LOST_SECS + 1);
        let known: Vec<_> = directory
            .iter()
            .map(|(_, up)| up.url.host.clone())
            .collect();
        assert_eq!(known, ["b.example"]);
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn whatever_is_in_the_file_does_no_harm(
            lines in prop::collection::vec("(tracker|node|x)( [a-z0-9:/.-]{0,12}){0,12}", 0..30),
        ) {
            let mut directory = Directory::default();
            let text = format!("{HEAD}{}", lines.join("\n"));
            let nodes = directory.load(text.as_bytes(), 5);
            let again = directory.save(&nodes);
            let mut second = Directory::default();
            second.load(again.as_bytes(), 5);
            prop_assert_eq!(second.save(&nodes), again);
        }
    }
}
