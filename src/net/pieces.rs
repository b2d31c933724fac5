//! Pieces of snapshots, which workers fill for whoever writes them down.
//!
//! One worker at a time is handed one piece at a time, so that it is never kept waiting by a disk,
//! and what it does for it in a turn is bounded.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::net::Router;
use crate::persist::{Census, Persist, Present};
use crate::swarm::PeersCursor;
use crate::sys::clock;
use crate::types::{Kept, Seconds};

/// Torrents and peers of a piece: a tenth of a millisecond, where memory is slow a few.
const PIECE_ITEMS: usize = 1000;

/// A piece of a snapshot, on its way to a worker or back.
pub struct Piece {
    /// The snapshots of this build.
    pub persist: Persist,
    /// Tells it from one that came too late.
    pub number: u32,
    /// When the snapshot was begun.
    pub began: Seconds,
    /// How far the worker's torrents were walked through.
    pub cursor: PeersCursor,
    /// Whether there are more.
    pub more: bool,
    /// What it holds.
    pub frame: Vec<u8>,
    /// How much that is.
    pub census: Census,
    /// CPU time that it took the worker.
    pub micros: u64,
}

impl Piece {
    /// Fills it at a worker.
    fn fill(&mut self, router: &Router, now: Seconds) {
        let began = clock::thread_cpu_micros();
        let Piece {
            persist,
            frame,
            census,
            ..
        } = self;
        persist.begin(now.saturating_sub(self.began), frame);
        self.more = router.save(now, &mut self.cursor, PIECE_ITEMS, |kept| {
            match kept {
                Kept::Torrent(_) => census.torrents += 1,
                Kept::Peer(_) => census.peers += 1,
            }
            persist.note(kept, frame);
        });
        self.micros = clock::thread_cpu_micros().wrapping_sub(began);
    }
}

/// Pieces on their way.
pub struct Pieces {
    /// To each worker, where one can wait.
    asked: Vec<(Sender<Piece>, Receiver<Piece>)>,
    /// Back from all of them.
    filled: (Sender<Piece>, Receiver<Piece>),
}

impl Pieces {
    /// Between somebody who writes and so many workers.
    pub fn new(persist: Persist, workers: usize) -> Present<Pieces> {
        persist.brings(Pieces {
            asked: (0..workers).map(|_| bounded(1)).collect(),
            // Room for those that come too late, too.
            filled: bounded(workers + 1),
        })
    }

    /// Does what is asked of a worker, a turn's worth.
    pub fn serve(&self, worker: usize, router: &Router, now: Seconds) {
        let asked = self.asked.get(worker).map(|(_, asked)| asked.try_recv());
        if let Some(Ok(mut piece)) = asked {
            piece.fill(router, now);
            // Where there is no room, many came too late, and nobody waits for it.
            let _ = self.filled.0.try_send(piece);
        }
    }

    /// Has a worker fill a piece once it is woken; `false` if one waits there already.
    pub fn hand(&self, worker: usize, piece: Piece) -> bool {
        let asked = self.asked.get(worker);
        asked.is_some_and(|(asked, _)| asked.try_send(piece).is_ok())
    }

    /// Where those that are filled arrive.
    pub fn filled(&self) -> &Receiver<Piece> {
        &self.filled.1
    }
}
