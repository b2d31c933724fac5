//! What waits for the clerk: one of each kind at most, so that nothing piles up while he is slow.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::api::Present;
use crate::control::fifo::Note;
use crate::control::orders::Order;

/// Something to do for the clerk.
pub enum Errand {
    /// Read the configuration again.
    Reload,
    /// Read the lists again, by the configuration in force.
    Lists,
    /// Change the list in force.
    Amend(Note),
    /// Change a list as the management API wants it.
    Order(Present<Order>),
}

/// The clerk's tray.
#[derive(Default)]
pub struct Errands {
    tray: Mutex<Tray>,
    changed: Condvar,
}

#[derive(Default)]
struct Tray {
    reload: bool,
    lists: bool,
    note: Option<Note>,
    order: Option<Present<Order>>,
}

impl Errands {
    /// Asks for a reload, of everything or of the lists that the configuration in force names. One
    /// that waits already has not begun, and so will see what there is now.
    pub fn ask_reload(&self, lists_only: bool) {
        let mut tray = self.lock();
        tray.reload |= !lists_only;
        tray.lists |= lists_only;
        self.changed.notify_all();
    }

    /// Hands in what came by a fifo. Whoever has more to say than the clerk can do has to wait.
    pub fn hand_in(&self, note: Note) {
        let tray = self.lock();
        let full = |tray: &mut Tray| tray.note.is_some();
        let waited = self.changed.wait_while(tray, full);
        let mut tray = waited.unwrap_or_else(PoisonError::into_inner);
        tray.note = Some(note);
        self.changed.notify_all();
    }

    /// Hands in what came by the management API. As with fifos, one waits at a time.
    pub fn place(&self, order: Present<Order>) {
        let tray = self.lock();
        let full = |tray: &mut Tray| tray.order.is_some();
        let waited = self.changed.wait_while(tray, full);
        let mut tray = waited.unwrap_or_else(PoisonError::into_inner);
        tray.order = Some(order);
        self.changed.notify_all();
    }

    /// Waits for the next; not longer than `patience`, if that is limited.
    pub fn next(&self, patience: Option<Duration>) -> Option<Errand> {
        let tray = self.lock();
        let empty = |tray: &mut Tray| {
            !tray.reload && !tray.lists && tray.note.is_none() && tray.order.is_none()
        };
        let patience = patience.unwrap_or(Duration::MAX);
        let waited = self.changed.wait_timeout_while(tray, patience, empty);
        let (mut tray, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if mem::take(&mut tray.reload) {
            return Some(Errand::Reload);
        }
        if mem::take(&mut tray.lists) {
            return Some(Errand::Lists);
        }
        let order = tray.order.take().map(Errand::Order);
        let next = order.or_else(|| tray.note.take().map(Errand::Amend));
        self.changed.notify_all();
        next
    }

    fn lock(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::thread;

    use super::*;
    use crate::control::fifo::Change;
    use crate::types::InfoHash;

    const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

    fn note(first: u8) -> Note {
        Note {
            change: Change::Add,
            hashes: vec![InfoHash([first; 20])],
        }
    }

    #[test]
    fn reloads_that_wait_are_one() {
        let errands = Errands::default();
        errands.ask_reload(false);
        errands.ask_reload(false);
        errands.ask_reload(true);
        errands.ask_reload(true);
        assert!(matches!(errands.next(None), Some(Errand::Reload)));
        assert!(matches!(errands.next(None), Some(Errand::Lists)));
        assert!(errands.next(AT_ONCE).is_none());
    }

    #[test]
    fn every_note_is_done_in_its_order() {
        let errands = Errands::default();
        thread::scope(|scope| {
            scope.spawn(|| (0..100).for_each(|first| errands.hand_in(note(first))));
            for first in 0..100 {
                let Some(Errand::Amend(done)) = errands.next(None) else {
                    panic!("nothing waits");
                };
                assert_eq!(done.hashes, note(first).hashes);
            }
        });
        assert!(errands.next(AT_ONCE).is_none());
    }
}
