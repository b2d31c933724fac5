//! Trackers by their URLs, what they have by HTTP, and the program as their client.

pub mod answer;
mod check;
mod line;
mod report;
pub mod url;
pub mod web;

use std::net::SocketAddr;
use std::time::Duration;

use super::Outcome;
use crate::types::{Event, Join, Order, Quest};
use line::{Line, Peer, Trouble};
use url::Url;

/// Where others are told to reach us who doesn't say so.
const PORT: u16 = 6881;

/// Does what is ordered; `None` in a build that can't.
///
/// # Errors
/// When the tracker is none by its URL.
pub fn ask(order: &Order) -> Option<Result<Outcome, String>> {
    Some(match &order.quest {
        Quest::Check(hash) => check::check(order, *hash),
        Quest::Announce(join) => one_url(order).map(|url| announce(order, &url, join)),
        Quest::Scrape(hashes) => one_url(order).map(|url| {
            let found = first(order, &url, |line| line.scrape(hashes));
            report::scrape(order, &url, hashes, found)
        }),
    })
}

fn one_url(order: &Order) -> Result<Url, String> {
    let what = "no tracker's URL: those begin with udp://, http:// or https://, and by UDP they \
                have a port";
    Url::parse(&order.tracker).ok_or_else(|| what.into())
}

fn announce(order: &Order, url: &Url, join: &Join) -> Outcome {
    let found = first(order, url, |line| {
        let mut peer = Peer::new(join)?;
        let answer = line.announce(&peer)?;
        if join.port.is_none() && join.event != Event::Stopped {
            peer.leave();
            // He who doesn't hear of it forgets us later.
            let _ = line.announce(&peer);
        }
        Ok(answer)
    });
    report::announce(order, url, found)
}

/// What the first address says that says anything, with that address; or why the last one didn't.
fn first<T>(
    order: &Order,
    url: &Url,
    ask: impl Fn(&Line) -> Result<T, Trouble>,
) -> Result<(SocketAddr, T), Trouble> {
    let mut trouble = Trouble::Failed("it has no address".into());
    for addr in addresses(order, url)? {
        let asked = Line::open(url, addr, time_max(order)).and_then(|line| ask(&line));
        match asked {
            Ok(answer) => return Ok((addr, answer)),
            Err(Trouble::Refused(why)) => return Err(Trouble::Refused(why)),
            Err(other) => trouble = other,
        }
    }
    Err(trouble)
}

fn time_max(order: &Order) -> Duration {
    Duration::from_secs(order.secs_max.into())
}

/// The addresses of a tracker that may be asked; never none.
fn addresses(order: &Order, url: &Url) -> Result<Vec<SocketAddr>, Trouble> {
    let found = web::resolve(&url.host, url.port, time_max(order));
    let mut found = found.map_err(|_| Trouble::Failed("its name has no address".into()))?;
    if let Some(family) = order.family {
        found.retain(|addr| crate::types::Family::of(addr.ip()) == family);
    }
    match found.is_empty() {
        true => Err(Trouble::Failed("it has no address of that family".into())),
        false => Ok(found),
    }
}
