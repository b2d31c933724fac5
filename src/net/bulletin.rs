//! What is to be written to the standard output of what happens on the road. Workers put it up and
//! go on: whoever reads it may be slow.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::net::desk::Desk;
use crate::stats::{Sheet, status};
use crate::sys::{clock, process};
use crate::types::{Announce, Ceiling};

/// News that may wait; what is more is not worth keeping.
const NEWS_MAX: usize = 1024;

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// How it goes, as a line.
    Status(String),
    /// A download was completed, so many seconds after 1970 began.
    Completed(u64, Announce),
}

/// Where news are put up.
#[derive(Default)]
pub struct Bulletin {
    news: Mutex<VecDeque<News>>,
    filled: Condvar,
}

impl Bulletin {
    /// Has the line written that these sheets come to.
    pub fn proclaim(&self, sheet: &Sheet, desk: &Desk) {
        let write = match desk.terms.status {
            "line" => status::line,
            "json" => status::json,
            _ => return,
        };
        let load = desk.terms.intervals.load;
        let limit = load.map_or(Ceiling::Auto, |load| load.limit);
        let limit = limit.hundredths(process::cpus_online());
        self.put(News::Status(write(
            sheet,
            &desk.about(),
            clock::wall(),
            limit,
        )));
    }

    /// Has it written that a download was completed.
    pub fn tell_completed(&self, announce: Announce) {
        self.put(News::Completed(clock::wall(), announce));
    }

    /// Waits for what comes next.
    pub fn take(&self) -> News {
        let mut waiting = self.lock();
        loop {
            if let Some(news) = waiting.pop_front() {
                return news;
            }
            let filled = self.filled.wait(waiting);
            waiting = filled.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts it up, if there is room; a line for all goes before the last of what waits.
    fn put(&self, news: News) {
        let mut waiting = self.lock();
        if waiting.len() == NEWS_MAX && matches!(news, News::Status(_)) {
            waiting.pop_back();
        }
        if waiting.len() < NEWS_MAX {
            waiting.push_back(news);
            self.filled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<News>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::types::{Event, InfoHash, PeerAddr, Want};

    fn news(number: usize) -> News {
        News::Status(number.to_string())
    }

    fn completed(number: usize) -> News {
        News::Completed(
            number as u64,
            Announce {
                info_hash: InfoHash([7; 20]),
                peer: PeerAddr::V4([192, 0, 2, 7, 0x1a, 0xe1]),
                peer_id: None,
                event: Event::Completed,
                seeder: true,
                want: Want {
                    numwant: 0,
                    both: false,
                    ids: false,
                },
                keep_secs: 3600,
            },
        )
    }

    #[test]
    fn news_keep_their_order_and_too_many_are_dropped() {
        let bulletin = Bulletin::default();
        (0..NEWS_MAX + 3).for_each(|number| bulletin.put(completed(number)));
        assert!((0..NEWS_MAX).all(|number| bulletin.take() == completed(number)));
        bulletin.put(news(7));
        assert_eq!(bulletin.take(), news(7), "nothing was left");
    }

    #[test]
    fn a_line_for_all_finds_room() {
        let bulletin = Bulletin::default();
        (0..NEWS_MAX).for_each(|number| bulletin.put(completed(number)));
        bulletin.put(news(7));
        assert!((0..NEWS_MAX - 1).all(|number| bulletin.take() == completed(number)));
        assert_eq!(bulletin.take(), news(7));
    }

    #[test]
    fn somebody_who_waits_is_told() {
        let bulletin = Bulletin::default();
        thread::scope(|scope| {
            let herald = scope.spawn(|| [bulletin.take(), bulletin.take()]);
            bulletin.put(news(1));
            bulletin.put(news(2));
            assert_eq!(herald.join().ok(), Some([1, 2].map(news)));
        });
    }
}
