//! What an HTTP request means here, and the words of every answer.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use crate::access::{Reason, Retry, Verdict};
use crate::net::desk::Desk;
use crate::net::door::Visit;
use crate::net::rounds::{self, Quest, Round};
use crate::net::scroll::Scroll;
use crate::net::{Office, Ticket};
use crate::router::Home;
use crate::stats::modes::{self, Mode, NoMode};
use crate::stats::page;
use crate::stats::{Count, Report, Sheet};
use crate::types::{self, Family, InfoHash, PeerAddr, Reply, Seconds, Want, is_global};
use crate::wire::answer::{Announce, Failure, RetryIn, Scrape};
use crate::wire::chunked;
use crate::wire::dump::Format;
use crate::wire::gzip::Gzip;
use crate::wire::http::{Head, Response, Status, Version};
use crate::wire::place::{self, Place};
use crate::wire::query;

/// What bencoded answers are sent as, by opentracker too.
const TEXT: &[u8] = b"text/plain";

/// Lists of all torrents that one worker writes at a time: each may hold some two megabytes.
const SCROLLS_MAX: usize = 2;

/// A request, and where it came from.
pub struct Asked<'a> {
    /// The request.
    pub head: Head<'a>,
    /// The same as it came.
    pub bytes: &'a [u8],
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
    /// The answer takes what a round brings home.
    Asks(Pending, Quest),
    /// The answer is a long one, written in pieces.
    Unrolls(Pending, Box<Scroll>),
}

/// What a request under way leaves behind for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    version: Version,
    /// Whether the connection may stay after the answer.
    pub keep_alive: bool,
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
    Text(fn(&Report) -> String),
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
    scrolls: Arc<()>,
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
        let desk = &mut *office.desk;
        desk.requests.keep(&desk.gate.watched, from, asked.bytes);
        let pending = Pending {
            version: asked.head.version,
            keep_alive: asked.head.keep_alive && office.desk.terms.keep_alive,
            asker: Family::of(from),
            client: from,
            question: Question::Page,
        };
        let (path, query) = query::split(asked.head.target);
        let query = query.unwrap_or_default();
        match named(path, &office.desk.terms.stats_path) {
            Page::Tracker(place::Page::Announce) => {
                self.announce(query, asked, pending, office, out)
            }
            Page::Tracker(place::Page::Scrape) => self.scrape(query, asked, pending, office, out),
            Page::Stats => self.stats(query, asked, pending, office.desk, out),
            Page::Full => {
                if let Verdict::Refuse(_) = office.desk.gate.stats(from) {
                    return pending.page(Status::FORBIDDEN, office.desk, out);
                }
                let question = Question::Full;
                Outcome::Asks(
                    Pending {
                        question,
                        ..pending
                    },
                    Quest::Sheet,
                )
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

    /// Writes the answer to a question of counts; whether the connection may stay.
    pub fn finish_sheet(
        &mut self,
        pending: &Pending,
        sum: &Sheet,
        desk: &mut Desk,
        out: &mut Vec<u8>,
    ) -> bool {
        let report = Report {
            sum: sum.clone(),
            uptime: desk.now,
            tracker_id: desk.tracker_id,
        };
        match pending.question {
            Question::Text(text) => pending.text(text(&report).as_bytes(), out),
            Question::Full => {
                let page = page::text(&report, &desk.about());
                let response = Response {
                    content_type: desk.terms.page_type.as_bytes(),
                    content_length: Some(page.len() as u64),
                    ..pending.response()
                };
                response.emit(out);
                out.extend_from_slice(page.as_bytes());
                pending.keep_alive
            }
            _ => false,
        }
    }

    /// Writes the answer that a round has brought home; whether the connection may stay.
    pub fn finish_round(
        &mut self,
        pending: &Pending,
        parts: Vec<Round>,
        out: &mut Vec<u8>,
    ) -> bool {
        let body = match pending.question {
            Question::Top(places) => rounds::top(&parts).text(places).into_bytes(),
            Question::Networks => rounds::networks(&parts).text().into_bytes(),
            Question::Woodpeckers => rounds::networks(&parts).list(28).into_bytes(),
            Question::Requests => rounds::requests(parts),
            _ => return false,
        };
        pending.text(&body, out)
    }

    fn stats(
        &mut self,
        query: &[u8],
        asked: &Asked<'_>,
        mut pending: Pending,
        desk: &mut Desk,
        out: &mut Vec<u8>,
    ) -> Outcome {
        if let Verdict::Refuse(_) = desk.gate.stats(asked.from) {
            return pending.page(Status::FORBIDDEN, desk, out);
        }
        let (question, quest) = match modes::find(value(query, b"mode=")) {
            Err(NoMode::Unknown) => return pending.page(Status::BAD_REQUEST, desk, out),
            Err(NoMode::NotKept) => return pending.page(Status::INTERNAL_ERROR, desk, out),
            Ok(Mode::Text(text)) => (Question::Text(text), Quest::Sheet),
            Ok(Mode::Top(places)) => (Question::Top(places), Quest::Top),
            Ok(Mode::Networks) => (Question::Networks, Quest::Networks),
            Ok(Mode::Woodpeckers) if !desk.terms.woodpeckers => {
                return pending.page(Status::INTERNAL_ERROR, desk, out);
            }
            Ok(Mode::Woodpeckers) => (Question::Woodpeckers, Quest::Woodpeckers),
            Ok(Mode::Requests) if desk.gate.watched.is_empty() => {
                return pending.page(Status::INTERNAL_ERROR, desk, out);
            }
            Ok(Mode::Requests) => (Question::Requests, Quest::Requests),
            Ok(Mode::State) => return self.unroll(Format::State, asked, pending, desk, out),
            Ok(Mode::Torrents) => {
                return match value(query, b"format=").and_then(Format::named) {
                    Some(format) => self.unroll(format, asked, pending, desk, out),
                    None => pending.page(Status::BAD_REQUEST, desk, out),
                };
            }
        };
        pending.question = question;
        Outcome::Asks(pending, quest)
    }

    /// Begins a list of all torrents, for those who may have it, if it is not too much.
    fn unroll(
        &mut self,
        format: Format,
        asked: &Asked<'_>,
        mut pending: Pending,
        desk: &mut Desk,
        out: &mut Vec<u8>,
    ) -> Outcome {
        if let Verdict::Refuse(_) = desk.gate.full_scrape(asked.from) {
            return pending.page(Status::FORBIDDEN, desk, out);
        }
        if Arc::strong_count(&self.scrolls) > SCROLLS_MAX {
            return pending.page(Status::UNAVAILABLE, desk, out);
        }
        let interval = desk.terms.full_scrape_interval;
        let mut modest = desk.modest.lock().unwrap_or_else(PoisonError::into_inner);
        let may = modest.admit(desk.now, asked.from, interval);
        drop(modest);
        if !may {
            return pending.page(Status::TOO_MANY, desk, out);
        }
        desk.counters.count(pending.asker, Count::FullScrape);
        let accepts = chunked::accepts_gzip(&asked.head.headers);
        let gzip = accepts.then(Gzip::begin).flatten();
        // Without chunks the end of the connection is the end of the answer.
        let chunked = pending.version == Version::V11;
        pending.keep_alive &= chunked;
        let response = Response {
            content_length: None,
            chunked,
            encoding: if gzip.is_some() { b"gzip" } else { b"" },
            content_type: match format {
                Format::Binary => b"application/octet-stream",
                _ => TEXT,
            },
            ..pending.response()
        };
        let mut head = Vec::new();
        response.emit(&mut head);
        let turn = Arc::clone(&self.scrolls);
        let scroll = Scroll::new(format, (chunked, gzip), head, desk.now, turn);
        Outcome::Unrolls(pending, Box::new(scroll))
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
    /// The head of an answer that goes well.
    fn response(&self) -> Response<'static> {
        Response {
            status: Status::OK,
            version: self.version,
            keep_alive: self.keep_alive,
            content_type: TEXT,
            content_length: None,
            chunked: false,
            encoding: b"",
            location: None,
        }
    }

    /// An answer that goes well.
    fn text(&self, body: &[u8], out: &mut Vec<u8>) -> bool {
        let response = Response {
            content_length: Some(body.len() as u64),
            ..self.response()
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
    Full,
    Front,
    Unknown,
}

/// Which page a path names. Leading slashes mean nothing, as in opentracker.
fn named(path: &[u8], stats_path: &str) -> Page {
    let slashes = path.iter().take_while(|b| **b == b'/').count();
    match &path[slashes..] {
        path if path == stats_path.as_bytes() => Page::Stats,
        path if path.strip_suffix(b".txt") == Some(stats_path.as_bytes()) => Page::Full,
        [] => Page::Front,
        path => Place::parse(path).page.map_or(Page::Unknown, Page::Tracker),
    }
}

/// The value of a key, which is given with its `=`.
fn value<'q>(query: &'q [u8], key: &[u8]) -> Option<&'q [u8]> {
    query
        .split(|b| *b == b'&')
        .find_map(|pair| pair.strip_prefix(key))
}
