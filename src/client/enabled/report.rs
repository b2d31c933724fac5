//! What a tracker said, for people and for programs.

use std::net::SocketAddr;

use super::answer::Answer;
use super::check::{Abilities, Finding, State};
use super::line::{Census, Trouble};
use super::url::{Scheme, Url};
use crate::client::Outcome;
use crate::types::{Family, InfoHash, Order};
use crate::wire::json::Json;

/// All that was found out in a check.
pub struct Report<'o> {
    pub order: &'o Order,
    pub findings: Vec<Finding>,
    /// Whether it has to serve the torrent, too.
    pub strict: bool,
}

/// The report of a check.
pub fn check(report: &Report<'_>) -> Outcome {
    let fault = report.fault();
    let text = match report.order.json {
        true => report.json(fault.is_none()),
        false => report.findings.iter().map(lines).collect(),
    };
    Outcome { text, fault }
}

impl Report<'_> {
    /// A protocol does if nothing is wrong wherever it could be asked; of several, one has to.
    fn fault(&self) -> Option<String> {
        let protocol = |scheme| {
            let mut asked = self.findings.iter().filter(move |f| f.scheme == scheme);
            let answers = asked.clone().any(Finding::answers);
            answers && asked.all(|finding| finding.is_well(self.strict))
        };
        let schemes = [Scheme::Udp, Scheme::Http, Scheme::Https];
        if schemes.into_iter().any(protocol) {
            return None;
        }
        let wrong: Vec<_> = self
            .findings
            .iter()
            .filter(|finding| !finding.is_well(self.strict))
            .map(Finding::place)
            .collect();
        Some(match wrong.is_empty() {
            true => "nobody can be asked from here".into(),
            false => format!("not well: {}", wrong.join(", ")),
        })
    }

    fn json(&self, is_well: bool) -> String {
        Json::object(|json| {
            json.text("tracker", &self.order.tracker);
            json.plain("ok", is_well);
            json.list_at("addresses", &self.findings, |json, finding| {
                json.text("protocol", finding.scheme);
                if let Some(addr) = finding.addr {
                    json.text("address", addr);
                    json.text("family", family(addr));
                }
                match &finding.state {
                    State::Up(abilities) => {
                        json.text("state", "up");
                        abilities.members(json);
                    }
                    State::Refuses(why) => state(json, "refuses", why),
                    State::Down(why) => state(json, "down", why),
                    State::NoWay(why) => state(json, "no way", why),
                }
            });
        })
    }
}

fn state(json: &mut Json, state: &str, why: &str) {
    json.text("state", state);
    json.text("why", why);
}

fn family(addr: SocketAddr) -> &'static str {
    match Family::of(addr.ip()) {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

impl Finding {
    /// Where this was found.
    fn place(&self) -> String {
        match self.addr {
            Some(addr) => format!("{} {addr}", self.scheme),
            None => self.scheme.to_string(),
        }
    }
}

impl Abilities {
    fn millis(&self) -> f64 {
        f64::from(self.micros) / 1000.0
    }

    fn members(&self, json: &mut Json) {
        json.plain("millis", self.millis());
        json.plain("interval", self.answer.interval);
        if let Some(secs) = self.answer.min_interval {
            json.plain("min_interval", secs);
        }
        if let Some(tells) = self.tells_peers {
            json.plain("tells_peers", tells);
        }
        if let Some(ip) = self.sees_us {
            json.text("sees_us_as", ip);
        }
        json.plain("scrape", self.scrape.is_ok());
        if let Err(why) = &self.scrape {
            json.text("scrape_why", why);
        }
        if let Some(form) = self.answer.form {
            json.plain("keep_alive", form.keeps_alive);
        }
        if let Some(warning) = &self.answer.warning {
            json.text("warning", warning);
        }
        json.plains_at("beps", &self.beps);
    }

    /// What is to be said, under its name.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let origin = match self.answer.form {
            // There it can't be otherwise.
            Some(_) => "",
            None => ", from the address that was asked",
        };
        lines.push(("answers", format!("within {} ms{origin}", self.millis())));
        let least = self.answer.min_interval;
        let least = least.map_or(String::new(), |secs| format!(", at the least {secs} s"));
        lines.push(("interval", format!("{} s{least}", self.answer.interval)));
        let peers = match self.tells_peers {
            Some(true) => "are told of each other",
            Some(false) => "are not told of each other",
            None => "can't be told: it answers the first announce only",
        };
        let seen = self.sees_us;
        let seen = seen.map_or(String::new(), |ip| format!("; it sees us as {ip}"));
        lines.push(("peers", format!("{peers}{seen}")));
        lines.push(match &self.scrape {
            Ok(()) => ("scrape", "yes".into()),
            Err(why) => ("scrape", format!("no: {why}")),
        });
        if let Some(form) = self.answer.form {
            let stays = if form.keeps_alive {
                "may stay"
            } else {
                "close"
            };
            lines.push(("connections", stays.into()));
        }
        if let Some(warning) = &self.answer.warning {
            lines.push(("warning", warning.clone()));
        }
        let beps: Vec<_> = self.beps.iter().map(u8::to_string).collect();
        lines.push(("BEP", beps.join(", ")));
        lines
    }
}

/// An address, for people.
fn lines(finding: &Finding) -> String {
    let place = finding.place();
    match &finding.state {
        State::Up(abilities) => {
            let mut text = format!("{place}: up\n");
            for (name, value) in abilities.lines() {
                text += &format!("    {name:<12}{value}\n");
            }
            text
        }
        State::Refuses(why) => format!("{place}: up, and refuses: {why}\n"),
        State::Down(why) => format!("{place}: down: {why}\n"),
        State::NoWay(why) => format!("{place}: can't be asked from here: {why}\n"),
    }
}

type Found<T> = Result<(SocketAddr, T), Trouble>;

/// The answer to an announce.
pub fn announce(order: &Order, url: &Url, found: Found<Answer>) -> Outcome {
    outcome(order, url, found, |answer| match order.json {
        true => Json::object(|json| {
            json.text("tracker", url);
            json.plain("ok", true);
            json.text("address", answer.0);
            let answer = &answer.1;
            json.plain("interval", answer.interval);
            if let Some(secs) = answer.min_interval {
                json.plain("min_interval", secs);
            }
            json.plain("seeders", answer.counts.seeders);
            json.plain("leechers", answer.counts.leechers);
            if let Some(ip) = answer.external_ip {
                json.text("external_ip", ip);
            }
            if let Some(warning) = &answer.warning {
                json.text("warning", warning);
            }
            json.texts_at("peers", peers(answer));
        }),
        false => {
            let (addr, answer) = answer;
            let counts = answer.counts;
            let mut text = format!(
                "{} {addr}: {} seeders, {} leechers; again in {} s\n",
                url.scheme, counts.seeders, counts.leechers, answer.interval
            );
            if let Some(warning) = &answer.warning {
                text += &format!("warning: {warning}\n");
            }
            peers(answer).for_each(|peer| text += &format!("{peer}\n"));
            text
        }
    })
}

fn peers(answer: &Answer) -> impl Iterator<Item = SocketAddr> {
    let peers = answer.peers.iter();
    peers.map(|peer| SocketAddr::new(peer.ip(), peer.port()))
}

/// The answer to a scrape.
pub fn scrape(order: &Order, url: &Url, hashes: &[InfoHash], found: Found<Census>) -> Outcome {
    outcome(order, url, found, |(addr, census)| {
        let counts = |hash: &InfoHash| {
            let mut files = census.files.iter();
            files
                .find(|(found, _)| found == hash)
                .map(|(_, counts)| *counts)
        };
        match order.json {
            true => Json::object(|json| {
                json.text("tracker", url);
                json.plain("ok", true);
                json.text("address", addr);
                json.list_at("torrents", hashes, |json, hash| {
                    json.text("info_hash", hash.to_string().to_lowercase());
                    if let Some(counts) = counts(hash) {
                        json.plain("seeders", counts.seeders);
                        json.plain("leechers", counts.leechers);
                        json.plain("completed", counts.completed);
                    }
                });
            }),
            false => hashes
                .iter()
                .map(|hash| {
                    let name = hash.to_string().to_lowercase();
                    match counts(hash) {
                        Some(counts) => format!(
                            "{name} {} seeders, {} leechers, {} completed\n",
                            counts.seeders, counts.leechers, counts.completed
                        ),
                        None => format!("{name} not known\n"),
                    }
                })
                .collect(),
        }
    })
}

/// The text of an answer, or what is wrong instead.
fn outcome<T>(
    order: &Order,
    url: &Url,
    found: Found<T>,
    text: impl FnOnce(&(SocketAddr, T)) -> String,
) -> Outcome {
    let (is_refusal, why) = match &found {
        Ok(found) => {
            return Outcome {
                text: text(found),
                fault: None,
            };
        }
        Err(Trouble::Refused(why)) => (true, why),
        Err(Trouble::Failed(why) | Trouble::NoWay(why)) => (false, why),
    };
    let text = match order.json {
        true => Json::object(|json| {
            json.text("tracker", url);
            json.plain("ok", false);
            json.plain("refused", is_refusal);
            json.text("why", why);
        }),
        false => String::new(),
    };
    let said = if is_refusal {
        "it refuses"
    } else {
        "no answer"
    };
    Outcome {
        text,
        fault: Some(format!("{said}: {why}")),
    }
}
