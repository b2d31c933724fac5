//! What the management API wants to know of the workers, and the hatch through which it asks the
//! first of them, who sends for the others.

use std::collections::BTreeMap;
use std::mem;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use crate::api::Api;
use crate::net::desk::Desk;
use crate::net::rounds::{Quest, Round};
use crate::net::{Router, Ticket};
use crate::swarm::Shard;
use crate::types::{Counts, InfoHash, PeerAddr, Seconds};

/// Sources looked at in one step: some tens of microseconds.
const SOURCES_A_STEP: usize = 4096;

/// A question to all workers.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    /// Their sheets.
    Sheets,
    /// A torrent, and so many of its peers of each family.
    Swarm(InfoHash, usize),
    /// Sources under a ban, so many of those that follow this address.
    Bans(Option<IpAddr>, usize),
    /// How long this source is banned for.
    Ban(IpAddr),
    /// The same; and from now on it shall be this long.
    SetBan(IpAddr, Seconds),
}

/// A question on its way round the workers, and what was found so far.
pub struct Inquiry {
    question: Question,
    found: Found,
    /// How far the walk has got.
    place: usize,
}

/// What one worker has found, or several.
#[derive(Default)]
pub struct Found {
    /// The torrent, and peers with whether they are seeders.
    pub swarm: Option<(Counts, Vec<(PeerAddr, bool)>)>,
    /// Banned sources, and for how long.
    pub bans: BTreeMap<IpAddr, Seconds>,
    /// Whether anybody can be banned.
    pub has_bans: bool,
}

impl Inquiry {
    /// Does a turn's worth at a worker; whether that was all.
    pub fn attend(&mut self, shard: &Shard, desk: &mut Desk) -> bool {
        let now = desk.now;
        match self.question {
            Question::Sheets => true,
            Question::Swarm(info_hash, peers_max) => {
                self.found.swarm = shard.look(&info_hash, peers_max);
                true
            }
            Question::Bans(after, limit) => {
                let bans = &mut self.found.bans;
                let note = |ip, left| {
                    if after.is_none_or(|after| ip > after) {
                        bans.insert(ip, left);
                        trim(bans, limit);
                    }
                };
                let next = desk.pace.walk_bans(now, self.place, SOURCES_A_STEP, note);
                self.place = next.unwrap_or_default();
                next.is_none()
            }
            Question::Ban(ip) => {
                let left = desk.pace.ban(now, ip);
                self.found.bans.extend(left.map(|left| (ip, left)));
                true
            }
            Question::SetBan(ip, secs) => {
                let left = desk.pace.ban(now, ip);
                self.found.bans.extend(left.map(|left| (ip, left)));
                self.found.has_bans = desk.pace.set_ban(now, ip, secs);
                true
            }
        }
    }
}

/// Keeps the first of them, and one more to tell that there are more.
fn trim(bans: &mut BTreeMap<IpAddr, Seconds>, limit: usize) {
    if bans.len() > limit + 1 {
        bans.pop_last();
    }
}

/// All that was found.
pub fn found(parts: Vec<Round>) -> Found {
    let mut sum = Found::default();
    for part in parts {
        let Round::Inquiry(mut inquiry) = part else {
            continue;
        };
        let Found {
            swarm,
            bans,
            has_bans,
        } = mem::take(&mut inquiry.found);
        sum.swarm = sum.swarm.or(swarm);
        sum.has_bans |= has_bans;
        for (ip, left) in bans {
            let most = sum.bans.entry(ip).or_default();
            *most = left.max(*most);
            if let Question::Bans(_, limit) = inquiry.question {
                trim(&mut sum.bans, limit);
            }
        }
    }
    sum
}

/// A question that waits, and who waits for the answer.
struct Asked {
    api: Api,
    question: Question,
    answer: Sender<Vec<Round>>,
}

/// Where questions are handed in. Nobody hands in the next before the last is answered, or given
/// up, so that few wait at a time.
#[derive(Default)]
pub struct Hatch {
    waiting: AtomicBool,
    asked: Mutex<Vec<Asked>>,
}

impl Hatch {
    /// Hands in a question. The first worker has to be woken; the answer comes from where this
    /// says, or nothing if something went wrong.
    pub fn ask(&self, api: Api, question: Question) -> Receiver<Vec<Round>> {
        let (answer, answers) = mpsc::channel();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(Asked {
            api,
            question,
            answer,
        });
        self.waiting.store(true, Ordering::Release);
        answers
    }

    fn take(&self) -> Vec<Asked> {
        if !self.waiting.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.store(false, Ordering::Relaxed);
        mem::take(&mut asked)
    }
}

/// The first worker's side of the hatch.
#[derive(Default)]
pub struct Teller {
    /// What has to wait for room.
    waiting: Vec<Asked>,
    /// What is on its way for the API, by number.
    under_way: Vec<(Api, u32, Sender<Vec<Round>>)>,
    next: u32,
}

impl Teller {
    /// Sends on what was asked. Whether some of it has to wait for room.
    pub fn serve(&mut self, hatch: &Hatch, router: &mut Router) -> bool {
        self.waiting.extend(hatch.take());
        let workers = router.workers();
        for asked in mem::take(&mut self.waiting) {
            let (api, question) = (asked.api, asked.question);
            let begin = || match question {
                Question::Sheets => Quest::Sheet.begin(workers),
                _ => {
                    let (found, place) = (Found::default(), 0);
                    let inquiry = Inquiry {
                        question,
                        found,
                        place,
                    };
                    Round::Inquiry(api.brings(Box::new(inquiry)))
                }
            };
            if router.send_round(Ticket::Hatch(api, self.next), begin) {
                self.under_way.push((api, self.next, asked.answer));
                self.next = self.next.wrapping_add(1);
            } else {
                self.waiting.push(asked);
            }
        }
        !self.waiting.is_empty()
    }

    /// Takes what a round brought home; `None` if it won't come.
    pub fn deliver(&mut self, number: u32, parts: Option<Vec<Round>>) {
        let place = self
            .under_way
            .iter()
            .position(|(_, other, _)| *other == number);
        let asker = place.map(|place| self.under_way.swap_remove(place).2);
        if let (Some(asker), Some(parts)) = (asker, parts) {
            // Who has given up waiting needs no answer.
            let _ = asker.send(parts);
        }
    }
}
