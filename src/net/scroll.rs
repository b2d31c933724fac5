//! An answer too long to be written at once: all torrents, page by page and piece by piece.
//!
//! A page is what a round brings home ([`crate::net::rounds`]); a piece is what is written in a
//! turn. The reader sets the pace: a piece is made when the one before has left, and a page asked
//! for when the last piece of the one before is made.

use std::sync::Arc;

use crate::net::rounds::{self, Quest, Round};
use crate::sys::clock;
use crate::types::{Entry, InfoHash, Seconds};
use crate::wire::chunked::{self, Chunk};
use crate::wire::dump::Format;
use crate::wire::gzip::Gzip;

/// Torrents of a piece: some 20 KB of text, which take half a millisecond to sort, write and
/// compress.
const ENTRIES_A_PIECE: usize = 300;

/// How long an answer may take.
const SECS_MAX: Seconds = 15 * 60;

/// What a reader has to take in a second, in bytes, as long as there is something to take: as long
/// as he reads, others may have to do without.
const RATE_MIN: u64 = 32 * 1024;

/// How long he may be slower than that at first.
const GRACE_SECS: u64 = 15;

/// An answer under way.
pub struct Scroll {
    format: Format,
    chunked: bool,
    gzip: Option<Gzip>,
    /// The head of the response, until it is written.
    head: Vec<u8>,
    /// Minutes since 1970.
    minutes: u32,
    /// The page, from `at` on still to be written.
    entries: Vec<Entry>,
    at: usize,
    /// The last torrent of the page, unless it is the last page.
    after: Option<InfoHash>,
    text: Vec<u8>,
    began: Seconds,
    /// How many bytes there were so far, and how many seconds they had to wait for the reader.
    written: u64,
    waited: u64,
    /// As long as it exists, another may have to wait.
    _turn: Arc<()>,
}

/// What follows a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Another piece.
    Piece,
    /// Another page, to be asked for.
    Page(Quest),
    /// Nothing.
    Nothing,
}

impl Scroll {
    /// An answer that begins with `head`, where `chunked` and `gzip` must be said.
    pub fn new(
        format: Format,
        (chunked, gzip): (bool, Option<Gzip>),
        head: Vec<u8>,
        began: Seconds,
        turn: Arc<()>,
    ) -> Scroll {
        Scroll {
            format,
            chunked,
            gzip,
            head,
            minutes: u32::try_from(clock::wall() / 60).unwrap_or(u32::MAX),
            entries: Vec::new(),
            at: 0,
            after: None,
            text: Vec::new(),
            began,
            written: 0,
            waited: 0,
            _turn: turn,
        }
    }

    /// Whether something has been written.
    pub fn has_begun(&self) -> bool {
        self.head.is_empty()
    }

    /// How many bytes it holds.
    pub fn held_bytes(&self) -> usize {
        let gzip = self.gzip.as_ref().map_or(0, Gzip::held_bytes);
        self.entries.capacity() * size_of::<Entry>() + self.text.capacity() + gzip
    }

    /// Takes note that a second has passed, in which the reader took all there was or didn't.
    /// Whether he is too slow, or it is too long.
    pub fn tick(&mut self, now: Seconds, took_all: bool) -> bool {
        self.waited += u64::from(!took_all);
        self.waited > GRACE_SECS + self.written / RATE_MIN
            || now.saturating_sub(self.began) > SECS_MAX
    }

    /// What to ask for next.
    pub fn quest(&self) -> Quest {
        Quest::Page(self.after)
    }

    /// Takes the page it asked for.
    pub fn fill(&mut self, parts: Vec<Round>) {
        (self.entries, self.after) = rounds::page(parts);
        self.at = 0;
    }

    /// Appends the next piece to `out`.
    pub fn unroll(&mut self, out: &mut Vec<u8>) -> Rest {
        let is_first = !self.has_begun();
        let before = out.len();
        out.append(&mut self.head);
        self.head = Vec::new();
        let chunk = self.chunked.then(|| Chunk::begin(out));
        self.text.clear();
        if is_first {
            self.format.begin(&mut self.text);
        }
        let piece = next_piece(&mut self.entries[self.at..]);
        for entry in &*piece {
            self.format.emit(entry, self.minutes, &mut self.text);
        }
        self.at += piece.len();
        let rest = match (self.at < self.entries.len(), self.after) {
            (true, _) => Rest::Piece,
            (false, Some(_)) => Rest::Page(self.quest()),
            (false, None) => Rest::Nothing,
        };
        let is_last = rest == Rest::Nothing;
        if is_last {
            self.format.end(&mut self.text);
        }
        match &mut self.gzip {
            Some(gzip) => gzip.write(&self.text, out),
            None => out.extend_from_slice(&self.text),
        }
        if let (Some(gzip), true) = (&mut self.gzip, is_last) {
            gzip.end(out);
        }
        if let Some(chunk) = chunk {
            chunk.end(out);
            if is_last {
                chunked::emit_end(out);
            }
        }
        self.written += (out.len() - before) as u64;
        rest
    }
}

/// Puts the first torrents in order, and to the front. To sort a whole page would keep others
/// waiting.
fn next_piece(entries: &mut [Entry]) -> &mut [Entry] {
    let len = entries.len().min(ENTRIES_A_PIECE);
    if len < entries.len() {
        Entry::bring_forward(entries, len);
    }
    let piece = &mut entries[..len];
    piece.sort_unstable_by_key(|entry| entry.info_hash);
    piece
}
