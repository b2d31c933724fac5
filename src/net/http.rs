//! What an HTTP request means here, and the words of every answer.

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{Reason, Retry, Verdict};
use crate::net::desk::{Desk, Terms};
use crate::net::door::Visit;
use crate::net::meta::{Calling, Slot};
use crate::net::rounds::Quest;
use crate::net::scroll::Scroll;
use crate::net::{Office, Ticket};
use crate::router::Home;
use crate::stats::modes::Telling;
use crate::stats::{Count, Report, metrics};
use crate::types::{self, Family, InfoHash, PeerAddr, Reply, Seconds, Want, is_global};
use crate::wire::answer::{Announce, Failure, RetryIn, Scrape};
use crate::wire::dump::Format;
use crate::wire::http::{Head, Response, Status, Version};
use crate::wire::place::{self, Place};
use crate::wire::query;

/// What bencoded answers are sent as, by opentracker too.
pub(super) const TEXT: &str = "text/plain";

/// A request, and where it came from.
pub struct Asked<'a> {
    /// The request.
    pub head: Head<'a>,
    /// The same as it came.
    pub bytes: &'a [u8],
    /// The other end of the connection; behind a proxy, the client.
    pub from: IpAddr,
    /// Whether it came encrypted.
    pub encrypted: bool,
    /// Whether announces are meant for other trackers too, whatever they say.
    pub opted: bool,
    /// Where an answer goes that is not known at once.
    pub ticket: Ticket,
}

/// What became of a request.
pub enum Outcome {
    /// The answer is written; whether the connection may stay.
    Answered(bool),
    /// The answer follows by letter.
    Waits(Pending),
    /// The answer takes what a round brings home.
    Asks(Pending, Quest),
    /// The answer is a long one, written in pieces.
    Unrolls(Pending, Box<Scroll>),
}

/// What a request under way leaves behind for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// What the client speaks.
    pub(super) version: Version,
    /// Whether the connection may stay after the answer.
    pub keep_alive: bool,
    /// Of the peer to be registered, and so of those that serve it best.
    pub(super) asker: Family,
    /// Where the request came from.
    client: IpAddr,
    pub(super) question: Question,
}

/// What an answer is made for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    Announce {
        compact: bool,
        /// What the client is promised.
        interval: Seconds,
    },
    Scrape {
        /// Whether what others know is of use.
        widens: bool,
    },
    Text(fn(&Report) -> String),
    /// Counts, and what is known besides.
    Told(Telling),
    /// The page of statistics.
    Full,
    /// Of the largest torrents, so many.
    Top(usize),
    Networks,
    Woodpeckers,
    Requests,
    /// One that is answered without asking anybody.
    Page,
}

/// Answers the requests of one worker's connections.
#[derive(Default)]
pub struct Http {
    /// Bodies are written here first, since their length comes before them.
    body: Vec<u8>,
    hashes: Vec<InfoHash>,
    /// Held by every list of all torrents under way.
    pub(super) scrolls: Arc<()>,
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
        let begun = out.len();
        let outcome = self.answer(asked, office, out);
        if office.desk.visitors.are_noted() {
            note(asked, &out[begun..], office.desk);
        }
        outcome
    }

    fn answer(&mut self, asked: &Asked<'_>, office: &mut Office<'_>, out: &mut Vec<u8>) -> Outcome {
        let from = asked.from;
        let desk = &mut *office.desk;
        desk.requests.keep(&desk.gate.watched, from, asked.bytes);
        let mut pending = Pending {
            version: asked.head.version,
            keep_alive: asked.head.keep_alive && office.desk.terms.keep_alive,
            asker: Family::of(from),
            client: from,
            question: Question::Page,
        };
        let (path, query) = query::split(asked.head.target);
        let query = query.unwrap_or_default();
        match named(path, &office.desk.terms) {
            Page::Tracker(place::Page::Announce) => {
                self.announce(query, asked, pending, office, out)
            }
            Page::Tracker(place::Page::Scrape) => self.scrape(query, asked, pending, office, out),
            Page::Stats => self.stats(query, asked, pending, office.desk, out),
            Page::Counts(question) => {
                if let Verdict::Refuse(_) = office.desk.gate.stats(from) {
                    return pending.page(Status::FORBIDDEN, office.desk, out);
                }
                pending.question = question;
                Outcome::Asks(pending, Quest::Sheet)
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
            (Reply::Scrape(files), question) => {
                let widened = match question {
                    Question::Scrape { widens: true } => desk.widen(files),
                    _ => None,
                };
                Scrape {
                    files: widened.as_deref().unwrap_or(files),
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
            peer_id: said.peer_id.filter(|_| desk.terms.peer_ids),
            event: said.event,
            seeder: said.seeder(),
            want: Want {
                numwant: desk.numwant(said.numwant, desk.terms.numwant_default),
                both: pending.asker == Family::V6,
                ids: desk.terms.peer_ids && !said.compact && !said.no_peer_id,
            },
            keep_secs: promise.keep_secs,
        };
        if let Some(slot) = call(asked, &said, &announce, desk) {
            return self.complete(&announce, slot, pending, office, out);
        }
        let router = &mut office.router;
        match router.announce(desk.now, &announce, asked.ticket, Home::Here) {
            Some(reply) => Outcome::Answered(self.finish(&pending, reply, desk, out)),
            None => Outcome::Waits(pending),
        }
    }

    /// Answers an announce by what others know as well, now or later.
    fn complete(
        &mut self,
        announce: &types::Announce,
        slot: Slot,
        pending: Pending,
        office: &mut Office<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let Office { router, desk } = office;
        let ticket = Ticket::Relay(slot);
        let reply = router.announce(desk.now, announce, ticket, Home::Here);
        let stays = reply.and_then(|reply| {
            desk.complete(slot, reply, |desk, _, reply| {
                self.finish(&pending, reply, desk, out)
            })
        });
        stays.map_or(Outcome::Waits(pending), Outcome::Answered)
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
        // With a query it was not meant to be a full scrape.
        let is_full = self.hashes.is_empty() && query.is_empty();
        let is_allowed = is_full && desk.gate.full_scrape(asked.from) == Verdict::Allow;
        if self.hashes.is_empty() && !is_allowed {
            let reason = Reason::FullScrapeClosed;
            desk.counters.count(pending.asker, Count::HttpInvalid);
            return self.refuse(reason.text(), reason.retry(), &pending, desk, out);
        }
        if !is_full {
            desk.counters.count(pending.asker, Count::HttpScrape);
        }
        if let Verdict::Refuse(reason) = desk.admit_scrape(asked.from, key(asked, desk)) {
            return self.turn_away(reason, &pending, desk, out);
        }
        if is_full {
            return self.unroll(Format::Scrape, asked, pending, desk, out);
        }
        let widens = desk.widens_scrape(asked.from, asked.opted, asked.head.target);
        pending.question = Question::Scrape { widens };
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

/// Writes down, if it is wanted, that something came that can't be understood.
pub fn note_fault(from: IpAddr, encrypted: bool, response: &[u8], desk: &mut Desk) {
    if desk.visitors.are_noted() {
        let visitors = &mut desk.visitors;
        visitors.note_http(desk.now, encrypted, from, "malformed", None, response);
    }
}

/// Writes a request down, and what is said to it at once.
#[cold]
fn note(asked: &Asked<'_>, response: &[u8], desk: &mut Desk) {
    let (path, query) = query::split(asked.head.target);
    let query = query.unwrap_or_default();
    let kind = match named(path, &desk.terms) {
        Page::Tracker(place::Page::Announce) => "announce",
        Page::Tracker(place::Page::Scrape) => "scrape",
        _ => "page",
    };
    // Announces say it in the same way. What is wrong with it is in the answer.
    let mut hashes = Vec::new();
    if kind != "page" {
        let _ = query::parse_scrape(query, &mut hashes);
    }
    let (encrypted, from, hash) = (asked.encrypted, asked.from, hashes.first().copied());
    let visitors = &mut desk.visitors;
    visitors.note_http(desk.now, encrypted, from, kind, hash, response);
}

/// Passes an announce on to other trackers, if that is wanted.
fn call(
    asked: &Asked<'_>,
    said: &query::Announce,
    announce: &types::Announce,
    desk: &mut Desk,
) -> Option<Slot> {
    // Where nothing is passed on nothing more is looked at.
    desk.relay.as_ref()?;
    desk.call(&Calling {
        announce,
        ticket: asked.ticket,
        source: asked.from,
        opted: asked.opted,
        url: asked.head.target,
        agent: asked.head.headers.named("User-Agent").next(),
        peer_id: said.peer_id,
        key: said.key,
        bytes: (said.uploaded, said.downloaded, said.left),
    })
}

/// Whether the URL has the key it takes, if it takes one.
fn key(asked: &Asked<'_>, desk: &Desk) -> Verdict {
    match desk.gate.is_private() {
        true => desk.gate.key(place::key(asked.head.target)),
        false => Verdict::Allow,
    }
}

impl Pending {
    /// The head of an answer that goes well.
    pub(super) fn response(&self) -> Response<'static> {
        Response {
            status: Status::OK,
            version: self.version,
            keep_alive: self.keep_alive,
            content_type: TEXT.as_bytes(),
            content_length: None,
            chunked: false,
            encoding: b"",
            location: None,
        }
    }

    /// An answer that goes well.
    pub(super) fn text(&self, body: &[u8], out: &mut Vec<u8>) -> bool {
        self.content(TEXT, body, out)
    }

    /// The same, of another kind.
    pub(super) fn content(&self, content_type: &str, body: &[u8], out: &mut Vec<u8>) -> bool {
        let response = Response {
            content_type: content_type.as_bytes(),
            content_length: Some(body.len() as u64),
            ..self.response()
        };
        response.emit(out);
        out.extend_from_slice(body);
        self.keep_alive
    }

    /// An answer of a status and little else.
    pub(super) fn page(&self, status: Status, desk: &mut Desk, out: &mut Vec<u8>) -> Outcome {
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
        Status::TOO_MANY => Count::HttpTooSoon,
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
        chunked: false,
        encoding: b"",
        location,
    };
    response.emit(out);
    body.iter()
        .for_each(|part| out.extend_from_slice(part.as_bytes()));
}

enum Page {
    Tracker(place::Page),
    Stats,
    /// What is made from counts, at paths of its own.
    Counts(Question),
    Front,
    Unknown,
}

/// Which page a path names. Leading slashes mean nothing, as in opentracker.
fn named(path: &[u8], terms: &Terms) -> Page {
    let stats_path = terms.stats_path.as_bytes();
    let slashes = path.iter().take_while(|b| **b == b'/').count();
    match &path[slashes..] {
        path if path == stats_path => Page::Stats,
        path if path.strip_suffix(b".txt") == Some(stats_path) => Page::Counts(Question::Full),
        [] => Page::Front,
        path => match metrics::METRICS {
            Some(metrics) if path == terms.metrics_path.as_bytes() => {
                Page::Counts(Question::Told(metrics))
            }
            _ => Place::parse(path).page.map_or(Page::Unknown, Page::Tracker),
        },
    }
}
