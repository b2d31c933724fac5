//! What readers of the statistics ask for, and the words of the answers: counts, which the workers
//! are asked for, and lists of all torrents, which are written in pieces.

use std::sync::{Arc, PoisonError};

use crate::access::Verdict;
use crate::net::Ticket;
use crate::net::desk::Desk;
use crate::net::http::{Asked, Http, Outcome, Pending, Question, TEXT};
use crate::net::rounds::{self, Quest, Round};
use crate::net::scroll::Scroll;
use crate::stats::modes::{self, Mode, NoMode, Telling};
use crate::stats::{Count, Report, Sheet, dashboard, page};
use crate::wire::chunked;
use crate::wire::dump::Format;
use crate::wire::gzip::Gzip;
use crate::wire::http::{Response, Status, Version};

/// Lists of all torrents that one worker writes at a time: each may hold some two megabytes.
const SCROLLS_MAX: usize = 2;

impl Http {
    /// Answers the statistics, or says what that takes.
    pub(super) fn stats(
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
            Ok(Mode::Told(telling)) => (Question::Told(telling), Quest::Sheet),
            Ok(Mode::Dashboard) => {
                let page = dashboard::PAGE.as_bytes();
                return Outcome::Answered(pending.content("text/html; charset=utf-8", page, out));
            }
            Ok(Mode::History) => {
                let history = desk.history.lock().unwrap_or_else(PoisonError::into_inner);
                let json = history.json(desk.now);
                drop(history);
                let written = pending.content("application/json", json.as_bytes(), out);
                return Outcome::Answered(written);
            }
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
            Ok(Mode::Meta) => {
                let asked = match asked.ticket {
                    Ticket::Http(at) => desk.ask_report(at),
                    _ => false,
                };
                return match asked {
                    true => Outcome::Waits(pending),
                    false => pending.page(Status::INTERNAL_ERROR, desk, out),
                };
            }
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
    pub(super) fn unroll(
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
                _ => TEXT.as_bytes(),
            },
            ..pending.response()
        };
        let mut head = Vec::new();
        response.emit(&mut head);
        let turn = Arc::clone(&self.scrolls);
        let scroll = Scroll::new(format, (chunked, gzip), head, desk.now, turn);
        Outcome::Unrolls(pending, Box::new(scroll))
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
                pending.content(&desk.terms.page_type, page.as_bytes(), out)
            }
            Question::Told(Telling { tell, content_type }) => {
                let told = tell(&report, &desk.about());
                pending.content(content_type, told.as_bytes(), out)
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
}

/// The value of a key, which is given with its `=`.
fn value<'q>(query: &'q [u8], key: &[u8]) -> Option<&'q [u8]> {
    query
        .split(|b| *b == b'&')
        .find_map(|pair| pair.strip_prefix(key))
}
