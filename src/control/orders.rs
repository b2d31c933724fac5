//! Changes of lists that come by the management API. The next reload makes them what the files say.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::access::{HashList, KeyList, Torrents};
use crate::api::{Answer, Api, Change, Present, Refusal};
use crate::control::reload::retire;
use crate::net::Shared;
use crate::router::Wake;
use crate::types::{InfoHash, Net};
use crate::wire::http::Status;

/// A change that is wanted. There is none without the API.
pub struct Order {
    change: Change,
    answer: Sender<Answer>,
}

impl Order {
    /// The order to make a change, and to say there what came of it.
    pub fn new(api: Api, change: Change, answer: Sender<Answer>) -> Present<Order> {
        api.brings(Order { change, answer })
    }
}

/// What there is not.
pub const ABSENT: Refusal = Refusal {
    status: Status::NOT_FOUND,
    reason: "it is not there",
};
/// There is nothing to change.
const NO_LIST: Refusal = Refusal {
    status: Status::CONFLICT,
    reason: "there is neither whitelist nor blacklist: set access.whitelist or access.blacklist",
};
const NO_KEYS: Refusal = Refusal {
    status: Status::CONFLICT,
    reason: "the tracker is not private: set access.keys",
};
const NO_KEY: Refusal = Refusal {
    status: Status::BAD_REQUEST,
    reason: "a key has 1 to 64 letters, digits, - and _, and is neither announce nor scrape",
};
const NO_ORDER: Refusal = Refusal {
    status: Status::INTERNAL_ERROR,
    reason: "bans are not on a list",
};

/// Does what is wanted, and says what came of it when all workers go by it.
pub fn carry_out(order: &Order, shared: &Shared, wakes: &[Wake]) {
    let done = match order.change {
        Change::Hash(info_hash, there) => list(shared, wakes, info_hash, there),
        Change::Key(ref key, there) => keys(shared, wakes, key, there),
        Change::Denied(net, there) => denied(shared, wakes, net, there),
        Change::Ban(..) => Err(NO_ORDER),
    };
    // Who has given up waiting needs no answer.
    let _ = order.answer.send(done.unwrap_or_else(Answer::Refused));
}

/// What it comes to that something `was` there, and shall be or not.
fn outcome(was: bool, there: bool, total: Option<usize>) -> Result<Answer, Refusal> {
    match (was, there) {
        (_, true) => Ok(Answer::Added {
            is_new: !was,
            total,
        }),
        (true, false) => Ok(Answer::Removed { total }),
        (false, false) => Err(ABSENT),
    }
}

fn list(
    shared: &Shared,
    wakes: &[Wake],
    info_hash: InfoHash,
    there: bool,
) -> Result<Answer, Refusal> {
    let mut rules = shared.rules();
    let (Torrents::Only(list) | Torrents::AllBut(list)) = &mut rules.gate.torrents else {
        return Err(NO_LIST);
    };
    let was = list.contains(&info_hash);
    if was != there {
        let change = if there {
            HashList::with
        } else {
            HashList::without
        };
        let new = Arc::new(change(list, &[info_hash]));
        let old = mem::replace(list, Arc::clone(&new));
        drop(shared.replace(rules, wakes));
        retire(&old);
        let done = if there { "added" } else { "deleted" };
        log::info!("api: info-hash {info_hash} {done}, {} in all", new.len());
        return outcome(was, there, Some(new.len()));
    }
    outcome(was, there, Some(list.len()))
}

fn keys(shared: &Shared, wakes: &[Wake], key: &[u8], there: bool) -> Result<Answer, Refusal> {
    if !KeyList::is_key(key) {
        return Err(NO_KEY);
    }
    let mut rules = shared.rules();
    let Some(keys) = &mut rules.gate.keys else {
        return Err(NO_KEYS);
    };
    let was = keys.contains(key);
    if was != there {
        let change = if there {
            KeyList::with
        } else {
            KeyList::without
        };
        let new = Arc::new(change(keys, key));
        let old = mem::replace(keys, Arc::clone(&new));
        drop(shared.replace(rules, wakes));
        retire(&old);
        let done = if there { "added" } else { "deleted" };
        log::info!("api: a key {done}, {} in all", new.len());
        return outcome(was, there, Some(new.len()));
    }
    outcome(was, there, Some(keys.len()))
}

fn denied(shared: &Shared, wakes: &[Wake], net: Net, there: bool) -> Result<Answer, Refusal> {
    let mut rules = shared.rules();
    let ranges = &mut rules.gate.denied;
    let new = if there {
        ranges.with(&net)
    } else {
        ranges.without(&net)
    };
    let differs = new != **ranges;
    if differs {
        let old = mem::replace(ranges, Arc::new(new));
        drop(shared.replace(rules, wakes));
        retire(&old);
        let done = if there { "denied" } else { "denied no more" };
        log::info!("api: a network is {done}");
    }
    outcome(differs != there, there, None)
}
