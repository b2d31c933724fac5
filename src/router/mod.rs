//! Words → owner shard → words.
//!
//! A [`Router`] stands between one worker's sockets and the shards of all workers. It promises
//! that every request reaches the shard that owns its info-hash and that the answer reaches its
//! ticket: at once when the shard is the worker's own, by letter when it is a neighbour's. It
//! never blocks, keeps no table of requests in flight but for questions to several shards, and
//! knows owners, not rules: who may ask was decided before.

mod gather;
mod mail;
mod owner;

use smallvec::SmallVec;

pub use mail::{Mail, Wake};
pub use owner::Owners;

use crate::swarm::{Shard, Swept};
use crate::types::{Announce, Counts, InfoHash, Peers, Reply, Scraped, Seconds};
use gather::{Gather, Slot};

/// Letters an inbox holds. They are read every turn, and a turn brings a few hundred requests.
pub const LETTERS_MAX: usize = 1024;

/// Questions to several shards that one worker has under way. A flood of them is shed here.
const GATHERED_MAX: usize = 1024;

/// Peer buffers kept for letters; more were in use at once only in a burst.
const SPARES_MAX: usize = 256;

/// Whether the answer to an announce has to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The connection is here, so the answer is needed here.
    Here,
    /// Whoever owns the info-hash can answer: its socket has the same address as ours.
    Anywhere,
}

/// Where answers go that were not known at once. `T` is the ticket that came with the request,
/// `S` a worker's sheet of a survey.
pub trait Lanes<T, S> {
    /// Takes the answer to a request.
    fn deliver(&mut self, ticket: T, reply: Reply<'_>);
    /// Fills in this worker's sheet.
    fn sheet(&mut self, shard: &Shard) -> S;
    /// Takes the sheets of all workers.
    fn deliver_survey(&mut self, sheets: &[S]);
}

/// A message between workers. The buffers of an announce travel with the question and come back
/// with the answer, so that announces allocate nothing in the long run.
#[doc(hidden)]
pub enum Letter<T, S> {
    /// Please announce, and answer to worker `back`, if any, or else to the client.
    Announce {
        announce: Announce,
        ticket: T,
        back: Option<usize>,
        room: Peers,
    },
    /// The answer to an announce.
    Announced {
        ticket: T,
        counts: Counts,
        found: Peers,
    },
    /// Please look these up for worker `back`.
    Scrape { slot: Slot, back: usize, part: Part },
    /// The answer to a scrape.
    Scraped { slot: Slot, part: Part },
    /// Please fill in your sheet for worker `back`.
    Survey { number: u32, back: usize },
    /// A filled-in sheet.
    Surveyed { number: u32, sheet: Box<S> },
}

/// Sheets that are being collected.
struct Survey<S> {
    missing: usize,
    sheets: Vec<S>,
}

/// The info-hashes of a scrape that one worker owns, each with its place in the question.
type Part = Vec<(usize, Scraped)>;

/// One worker's shard, and the way to the others.
pub struct Router<T, S> {
    me: usize,
    owners: Owners,
    shard: Shard,
    mail: Mail<Letter<T, S>>,
    scrapes: Gather<(T, Vec<Scraped>)>,
    survey: Option<Survey<S>>,
    surveys: u32,
    found: Peers,
    scraped: Vec<Scraped>,
    spares: Vec<Peers>,
    /// Announces that told something new, if anybody wants to know.
    news: Option<Vec<Announce>>,
}

impl<T: Copy, S> Router<T, S> {
    /// The router of worker `me`.
    pub fn new(me: usize, owners: Owners, shard: Shard, mail: Mail<Letter<T, S>>) -> Router<T, S> {
        Router {
            me,
            owners,
            shard,
            mail,
            scrapes: Gather::new(GATHERED_MAX),
            survey: None,
            surveys: 0,
            found: Peers::default(),
            scraped: Vec::new(),
            spares: Vec::new(),
            news: None,
        }
    }

    /// Announces to the owner shard. `None`: the answer follows by [`collect`](Self::collect),
    /// here or, if `home` allows, at the owner.
    pub fn announce(
        &mut self,
        now: Seconds,
        announce: &Announce,
        ticket: T,
        home: Home,
    ) -> Option<Reply<'_>> {
        let owner = self.owners.owner(&announce.info_hash);
        if owner == self.me {
            let found = &mut self.found;
            let counts = hear(&mut self.shard, &mut self.news, now, announce, found);
            return Some(Reply::Announce(counts, found));
        }
        let (back, room) = match home {
            Home::Here => (Some(self.me), self.spares.pop().unwrap_or_default()),
            Home::Anywhere => (None, Peers::default()),
        };
        let letter = Letter::Announce {
            announce: *announce,
            ticket,
            back,
            room,
        };
        if self.mail.post(owner, letter) {
            None
        } else {
            Some(Reply::Busy)
        }
    }

    /// Scrapes the owner shards. `None`: the answer follows by [`collect`](Self::collect).
    pub fn scrape(
        &mut self,
        now: Seconds,
        info_hashes: impl IntoIterator<Item = InfoHash>,
        ticket: T,
    ) -> Option<Reply<'_>> {
        let mut parts: SmallVec<[(usize, Part); 8]> = SmallVec::new();
        self.scraped.clear();
        for (place, info_hash) in info_hashes.into_iter().enumerate() {
            let owner = self.owners.owner(&info_hash);
            let counts = if owner == self.me {
                self.shard.scrape(now, &info_hash)
            } else {
                None
            };
            self.scraped.push((info_hash, counts));
            if owner != self.me {
                let entry = (place, (info_hash, None));
                match parts.iter_mut().find(|(worker, _)| *worker == owner) {
                    Some((_, part)) => part.push(entry),
                    None => parts.push((owner, vec![entry])),
                }
            }
        }
        if parts.is_empty() {
            return Some(Reply::Scrape(&self.scraped));
        }
        let question = (ticket, std::mem::take(&mut self.scraped));
        let Some(slot) = self.scrapes.open(question, parts.len()) else {
            return Some(Reply::Busy);
        };
        for (owner, part) in parts {
            let back = self.me;
            if !self.mail.post(owner, Letter::Scrape { slot, back, part }) {
                self.scrapes.close(slot);
                return Some(Reply::Busy);
            }
        }
        None
    }

    /// Asks every worker for its sheet, this one through `lanes`. All sheets together follow by
    /// [`Lanes::deliver_survey`], at once if there is one worker only. While one survey is under
    /// way no other is begun: its sheets will do. `false`: an inbox is full, and none is under way.
    pub fn survey(&mut self, lanes: &mut impl Lanes<T, S>) -> bool {
        if self.survey.is_some() {
            return true;
        }
        let own = lanes.sheet(&self.shard);
        let others = self.mail.boxes_total() - 1;
        if others == 0 {
            lanes.deliver_survey(&[own]);
            return true;
        }
        self.surveys = self.surveys.wrapping_add(1);
        let (back, number) = (self.me, self.surveys);
        for worker in (0..=others).filter(|worker| *worker != self.me) {
            if !self.mail.post(worker, Letter::Survey { number, back }) {
                return false;
            }
        }
        self.survey = Some(Survey {
            missing: others,
            sheets: vec![own],
        });
        true
    }

    /// Serves the letters that have come in, and hands late answers to their lanes. Whether there
    /// may be more of them, so that the caller should come again without sleeping.
    pub fn collect(&mut self, now: Seconds, lanes: &mut impl Lanes<T, S>) -> bool {
        self.mail.open();
        for _ in 0..LETTERS_MAX {
            match self.mail.take() {
                Some(letter) => self.serve(now, letter, lanes),
                None => return false,
            }
        }
        true
    }

    /// Wakes the neighbours that have mail from us; once a turn. Whether answers still wait for
    /// room in an inbox, so that the caller should come again soon.
    pub fn flush(&mut self) -> bool {
        self.mail.flush()
    }

    /// Keeps [`news`](Self::news) from here on.
    pub fn keep_news(&mut self) {
        self.news.get_or_insert_default();
    }

    /// The announces that told other trackers' worth of news ([`Shard::is_news`]) since the last
    /// call, of this worker's torrents and whoever took them. To be called every turn.
    pub fn news(&mut self) -> impl Iterator<Item = Announce> {
        self.news.iter_mut().flat_map(|news| news.drain(..))
    }

    /// Whether this worker owns the torrent.
    pub fn owns(&self, info_hash: &InfoHash) -> bool {
        self.owners.owner(info_hash) == self.me
    }

    /// Applies what another tracker tells of a torrent that this worker [owns](Self::owns); it is
    /// news to nobody else.
    pub fn learn(&mut self, now: Seconds, announce: &Announce) {
        self.shard.announce(now, announce, &mut self.found);
    }

    /// Lets expired peers go, in bounded steps: see [`Shard::sweep`].
    pub fn sweep(&mut self, now: Seconds) -> Swept {
        self.shard.sweep(now)
    }

    fn serve(&mut self, now: Seconds, letter: Letter<T, S>, lanes: &mut impl Lanes<T, S>) {
        match letter {
            Letter::Announce {
                announce,
                ticket,
                back: Some(back),
                room: mut found,
            } => {
                let news = &mut self.news;
                let counts = hear(&mut self.shard, news, now, &announce, &mut found);
                self.mail.answer(
                    back,
                    Letter::Announced {
                        ticket,
                        counts,
                        found,
                    },
                );
            }
            Letter::Announce {
                announce,
                ticket,
                back: None,
                ..
            } => {
                let found = &mut self.found;
                let counts = hear(&mut self.shard, &mut self.news, now, &announce, found);
                lanes.deliver(ticket, Reply::Announce(counts, &self.found));
            }
            Letter::Announced {
                ticket,
                counts,
                found,
            } => {
                lanes.deliver(ticket, Reply::Announce(counts, &found));
                if self.spares.len() < SPARES_MAX {
                    self.spares.push(found);
                }
            }
            Letter::Scrape {
                slot,
                back,
                mut part,
            } => {
                for (_, (info_hash, counts)) in &mut part {
                    *counts = self.shard.scrape(now, info_hash);
                }
                self.mail.answer(back, Letter::Scraped { slot, part });
            }
            Letter::Scraped { slot, part } => {
                let done = self.scrapes.part(slot, |(_, scraped)| {
                    for (place, found) in part {
                        scraped[place] = found;
                    }
                });
                if let Some((ticket, scraped)) = done {
                    lanes.deliver(ticket, Reply::Scrape(&scraped));
                }
            }
            Letter::Survey { number, back } => {
                let sheet = Box::new(lanes.sheet(&self.shard));
                self.mail.answer(back, Letter::Surveyed { number, sheet });
            }
            Letter::Surveyed { number, sheet } => self.surveyed(number, *sheet, lanes),
        }
    }

    /// Takes a sheet; those of a survey given up are of no use.
    fn surveyed(&mut self, number: u32, sheet: S, lanes: &mut impl Lanes<T, S>) {
        let Some(survey) = self.survey.as_mut().filter(|_| number == self.surveys) else {
            return;
        };
        survey.sheets.push(sheet);
        survey.missing -= 1;
        if survey.missing == 0
            && let Some(survey) = self.survey.take()
        {
            lanes.deliver_survey(&survey.sheets);
        }
    }
}

/// Announces to the shard, and keeps what it says if it is news.
fn hear(
    shard: &mut Shard,
    news: &mut Option<Vec<Announce>>,
    now: Seconds,
    announce: &Announce,
    found: &mut Peers,
) -> Counts {
    let counts = shard.announce(now, announce, found);
    if let Some(news) = news
        && shard.is_news()
    {
        news.push(*announce);
    }
    counts
}
