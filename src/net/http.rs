//! What an HTTP request means here, and the words of every answer.

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{Reason, Retry, Verdict};
use crate::net::desk::Desk;
use crate::net::door::Visit;
use crate::net::{Office, Ticket};
use crate::router::Home;
use crate::stats::modes::{self, Mode, NoMode};
use crate::stats::{Count, Report, Sheet};
use crate::types::{self, Family, InfoHash, PeerAddr, Reply, Seconds, Want, is_global};
use crate::wire::answer::{Announce, Failure, RetryIn, Scrape};
use crate::wire::http::{Head, Response, Status, Version};
use crate::wire::place::{self, Place};
use crate::wire::query;

/// What bencoded answers are sent as, by opentracker too.
const TEXT: &[u8] = b"text/plain";

/// A request, and where it came from.
pub struct Asked<'a> {
    /// The request.
    pub head: Head<'a>,
    /// The other end of the connection; behind a proxy, the client.
    pub from: IpAddr,
    /// Where an answer goes that is not known at once.
    pub ticket: Ticket,
}

/// What became of a request.
pub enum Outcome {
    /// The answer is written; whether the connection may stay.
    Answered(bool),
    /// The answer follows by letter.
    Waits(Pending),
    /// The sheets of all workers are needed for the answer.
    WantsSurvey(Pending),
}

/// What a request under way leaves behind for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    version: Version,
    keep_alive: bool,
    /// Of the peer to be registered, and so of those that serve it best.
    asker: Family,
    /// Where the request came from.
    client: IpAddr,
    question: Question,
}

#[derive(Clone, Copy, Debug)]
enum Question {
    Announce {
        compact: bool,
        /// What the client is promised.
        interval: Seconds,
    },
    Scrape,
    Stats(Mode),
    /// One that is answered without asking anybody.
    Page,
}

/// Answers the requests of one worker's connections.
#[derive(Default)]
pub struct Http {
    /// Bodies are written here first, since their length comes before them.
    body: Vec<u8>,
    hashes: Vec<InfoHash>,
}

impl Http {
    /// Answers a request into `out`, or says what it waits for.
    pub fn serve(
        &mut self,
        asked: &Asked<'_>,
        office: &mut Office<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let proxies = &office.desk.gate.proxies;
        let from = proxies.client(asked.from, asked.head.headers.named(&proxies.header));
        let asked = &Asked { from, ..*asked };
        let mut pending = Pending {
            version: asked.head.version,
            keep_alive: asked.head.keep_alive,
            asker: Family::of(from),
            client: from,
            question: Question::Page,
        };
        let (path, query) = query::split(asked.head.target);
        let query = query.unwrap_or_default();
        match page(path, &office.desk.terms.stats_path) {
            Page::Tracker(place::Page::Announce) => {
                self.announce(query, asked, pending, office, out)
            }
            Page::Tracker(place::Page::Scrape) => self.scrape(query, asked, pending, office, out),
            Page::Stats => {
                let mode = modes::find(stats_mode(query));
                match (office.desk.gate.stats(from), mode) {
                    (Verdict::Refuse(_), _) => pending.page(Status::FORBIDDEN, office.desk, out),
                    (Verdict::Allow, Err(NoMode::Unknown)) => {
                        pending.page(Status::BAD_REQUEST, office.desk, out)
                    }
                    (Verdict::Allow, Err(NoMode::NotKept)) => {
                        pending.page(Status::INTERNAL_ERROR, office.desk, out)
                    }
                    (Verdict::Allow, Ok(mode)) => {
                        pending.question = Question::Stats(mode);
                        Outcome::WantsSurvey(pending)
                    }
                }
            }
            Page::Front if office.desk.terms.redirect_url.is_some() => {
                pending.page(Status::FOUND, office.desk, out)
            }
            Page::Front | Page::Unknown => pending.page(Status::NOT_FOUND, office.desk, out),
        }
    }

    /// Writes the answer to an announce or scrape; whether the connection may stay.
    pub fn finish(
        &mut self,
        pending: &Pending,
        reply: Reply<'_>,
        desk: &mut Desk,
        out: &mut Vec<u8>,
    ) -> bool {
        self.body.clear();
        match (reply, pending.question) {
            (Reply::Announce(counts, peers), Question::Announce { compact, interval }) => {
                let terms = &desk.terms;
                let external_ip = Some(pending.client).filter(|_| terms.external_ip);
                let answer = Announce {
                    counts,
                    external_ip: external_ip.filter(|ip| is_global(*ip)),
                    interval,
                    min_interval: Some(terms.min_interval),
                    peers,
                    tracker_id: terms.id.as_deref().map(str::as_bytes),
                    warning: terms.warning.as_deref().map(str::as_bytes),
                };
                if compact {
                    answer.emit_compact(pending.asker, &mut self.body);
                } else {
                    answer.emit_dictionaries(&mut self.body);
                }
            }
            (Reply::Scrape(files), _) => {
                Scrape {
                    files,
                    min_request_interval: desk.terms.scrape_interval,
                }
                .emit(&mut self.body);
            }
            // Only announces are answered as such.
            (Reply::Busy | Reply::Announce(..), _) => {
                desk.counters.count(pending.asker, Count::Busy);
                pending.page(Status::UNAVAILABLE, desk, out);
                return false;
            }
        }
        pending.text(&self.body, out)
    }

    /// Writes the answer to a question of statistics, or without sheets that there is none; whether
    /// the connection may stay.
    pub fn finish_survey(
        &mut self,
        pending: &Pending,
        sheets: &[Sheet],
        desk: &mut Desk,
        out: &mut Vec<u8>,
    ) -> bool {
        let (Question::Stats(mode), false) = (pending.question, sheets.is_empty()) else {
            pending.page(Status::UNAVAILABLE, desk, out);
            return false;
        };
        let report = Report {
            sum: Sheet::sum(sheets),
            uptime: desk.now,
            tracker_id: desk.tracker_id,
        };
        pending.text(mode(&report).as_bytes(), out)
    }

    fn announce(
        &mut self,
        query: &[u8],
        asked: &Asked<'_>,
        mut pending: Pending,
        office: &mut Office<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let desk = &mut *office.desk;
        let said = match query::Announce::parse(query) {
            Ok(said) => said,
            Err(refusal) => {
                desk.counters.count(pending.asker, Count::HttpInvalid);
                return self.refuse(refusal.reason(), Retry::Never, &pending, desk, out);
            }
        };
        desk.counters.count(pending.asker, Count::HttpAnnounce);
        let verdict = desk.admit_announce(&Visit {
            source: asked.from,
            key: key(asked, desk),
            info_hash: &said.info_hash,
            event: said.event,
            peer_id: said.peer_id.as_ref(),
            headers: Some(&asked.head.headers),
        });
        if let Verdict::Refuse(reason) = verdict {
            return self.turn_away(reason, &pending, desk, out);
        }
        let ip = desk.gate.peer(asked.from, said.ip);
        pending.asker = Family::of(ip);
        let promise = desk.promise();
        pending.question = Question::Announce {
            compact: said.compact,
            interval: promise.interval,
        };
        let announce = types::Announce {
            info_hash: said.info_hash,
            peer: PeerAddr::new(ip, said.port),
            event: said.event,
            seeder: said.seeder(),
            want: Want {
                numwant: desk.numwant(said.numwant, desk.terms.numwant_default),
                both: pending.asker == Family::V6,
            },
            keep_secs: promise.keep_secs,
        };
        let now = desk.now;
        match office
            .router
            .announce(now, &announce, asked.ticket, Home::Here)
        {
            Some(reply) => Outcome::Answered(self.finish(&pending, reply, desk, out)),
            None => Outcome::Waits(pending),
        }
    }

    fn scrape(
        &mut self,
        query: &[u8],
        asked: &Asked<'_>,
        mut pending: Pending,
        office: &mut Office<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let desk = &mut *office.desk;
        self.hashes.clear();
        if let Err(refusal) = query::parse_scrape(query, &mut self.hashes) {
            desk.counters.count(pending.asker, Count::HttpInvalid);
            return self.refuse(refusal.reason(), Retry::Never, &pending, desk, out);
        }
        if self.hashes.is_empty() {
            desk.counters.count(pending.asker, Count::HttpInvalid);
            let reason = "a scrape must name the torrents it asks about";
            return self.refuse(reason, Retry::Never, &pending, desk, out);
        }
        desk.counters.count(pending.asker, Count::HttpScrape);
        if let Verdict::Refuse(reason) = desk.admit_scrape(asked.from, key(asked, desk)) {
            return self.turn_away(reason, &pending, desk, out);
        }
        pending.question = Question::Scrape;
        let hashes = self.hashes.iter().copied();
        match office.router.scrape(desk.now, hashes, asked.ticket) {
            Some(reply) => Outcome::Answered(self.finish(&pending, reply, desk, out)),
            None => Outcome::Waits(pending),
        }
    }

    /// Turns somebody away at the door.
    fn turn_away(
        &mut self,
        reason: Reason,
        pending: &Pending,
        desk: &mut Desk,
        out: &mut Vec<u8>,
    ) -> Outcome {
        desk.counters.count(pending.asker, Count::HttpDenied);
        let clients = Arc::clone(&desk.gate.clients);
        self.refuse(clients.words(reason), reason.retry(), pending, desk, out)
    }

    /// Refuses in the tracker protocol's way: HTTP went well, so clients look at the body. They
    /// are told when to come back in BEP 31's words, and in those that all of them know.
    fn refuse(
        &mut self,
        reason: &str,
        retry: Retry,
        pending: &Pending,
        desk: &mut Desk,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let interval = desk.promise().interval;
        let failure = Failure {
            reason: reason.as_bytes(),
            interval: Some(interval),
            min_interval: Some(desk.terms.min_interval),
            retry_in: Some(match retry {
                Retry::Never => RetryIn::Never,
                Retry::Minutes(minutes) => RetryIn::Minutes(minutes.into()),
            }),
        };
        self.body.clear();
        failure.emit(&mut self.body);
        Outcome::Answered(pending.text(&self.body, out))
    }
}

/// Whether the URL has the key it takes, if it takes one.
fn key(asked: &Asked<'_>, desk: &Desk) -> Verdict {
    match desk.gate.is_private() {
        true => desk.gate.key(place::key(asked.head.target)),
        false => Verdict::Allow,
    }
}

impl Pending {
    /// An answer that went well.
    fn text(&self, body: &[u8], out: &mut Vec<u8>) -> bool {
        let response = Response {
            status: Status::OK,
            version: self.version,
            keep_alive: self.keep_alive,
            content_type: TEXT,
            content_length: Some(body.len() as u64),
            location: None,
        };
        response.emit(out);
        out.extend_from_slice(body);
        self.keep_alive
    }

    /// An answer of a status and little else.
    fn page(&self, status: Status, desk: &mut Desk, out: &mut Vec<u8>) -> Outcome {
        let keep_alive = self.keep_alive && status != Status::UNAVAILABLE;
        let location = match status {
            Status::FOUND => desk.terms.redirect_url.as_deref().map(str::as_bytes),
            _ => None,
        };
        desk.counters.count(self.asker, counted_as(status));
        emit_page(status, self.version, keep_alive, location, out);
        Outcome::Answered(keep_alive)
    }
}

/// As what the answers of [`Pending::page`] count.
fn counted_as(status: Status) -> Count {
    match status {
        Status::FOUND => Count::HttpRedirect,
        Status::FORBIDDEN => Count::HttpForbidden,
        Status::NOT_FOUND => Count::HttpNotFound,
        Status::BAD_REQUEST => Count::HttpInvalid,
        _ => Count::HttpUnavailable,
    }
}

/// Writes the answer to a request that can't be understood, or comes too late; the connection
/// closes after it, since nobody knows where the next request would begin.
pub fn emit_fault(status: Status, out: &mut Vec<u8>) {
    emit_page(status, Version::V11, false, None, out);
}

fn emit_page(
    status: Status,
    version: Version,
    keep_alive: bool,
    location: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    let title = status.reason();
    let body = ["<title>", title, "</title>\n"];
    let content_length = body.iter().map(|part| part.len() as u64).sum();
    let response = Response {
        status,
        version,
        keep_alive,
        content_type: b"text/html",
        content_length: Some(content_length),
        location,
    };
    response.emit(out);
    body.iter()
        .for_each(|part| out.extend_from_slice(part.as_bytes()));
}

enum Page {
    Tracker(place::Page),
    Stats,
    Front,
    Unknown,
}

/// Which page a path names. Leading slashes mean nothing, as in opentracker.
fn page(path: &[u8], stats_path: &str) -> Page {
    let slashes = path.iter().take_while(|b| **b == b'/').count();
    match &path[slashes..] {
        path if path == stats_path.as_bytes() => Page::Stats,
        [] => Page::Front,
        path => Place::parse(path).page.map_or(Page::Unknown, Page::Tracker),
    }
}

fn stats_mode(query: &[u8]) -> Option<&[u8]> {
    query
        .split(|b| *b == b'&')
        .find_map(|pair| pair.strip_prefix(b"mode="))
}
