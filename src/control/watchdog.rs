//! Watches that the workers go on.
//!
//! A worker has a pulse: it goes round its loop once a second at least. One that does not for long
//! is caught in something that should not exist, and its part of the torrents isn't served. That
//! can't be mended from outside, so it is said, and the process ends for whoever watches over it
//! to start it again.

use std::io;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::error::Exit;
use crate::net::{Pulse, Shared};
use crate::types::Seconds;

/// How often to look in the time that makes a hang. Looks are counted, not seconds: when all of
/// the process was stopped for a while, there were none.
const LOOKS: u32 = 6;

/// Looks after which it is said first.
const LOOKS_WARN: u32 = 2;

/// How long to wait before it is asked again whether to watch at all.
const OFF_SECS: Seconds = 10;

/// Sets the watchdog on its way, on a thread of its own.
pub fn start(pulses: Vec<Pulse>, shared: Arc<Shared>) -> io::Result<()> {
    let thread = thread::Builder::new().name("watchdog".into());
    thread.spawn(move || {
        let mut watch = Watch::new(pulses.len());
        loop {
            let secs_max = shared.hang_secs_max();
            let pause = match secs_max {
                0 => OFF_SECS,
                secs => (secs / LOOKS).max(1),
            };
            thread::sleep(Duration::from_secs(pause.into()));
            for (worker, state) in watch.look(pulses.iter().map(Pulse::beats)).enumerate() {
                match state {
                    State::Hangs if secs_max > 0 => {
                        log::error!(
                            "worker {worker} has not moved for {secs_max} seconds; the tracker \
                             ends, to be started again (tracker.hang_secs_max)"
                        );
                        process::exit(Exit::Os as i32);
                    }
                    State::Lingers if secs_max > 0 => {
                        log::warn!("worker {worker} does not move");
                    }
                    _ => {}
                }
            }
        }
    })?;
    Ok(())
}

/// How a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It goes on, or so it seems.
    Well,
    /// It has not been going on for the last few looks, as is found out now.
    Lingers,
    /// It will not go on any more.
    Hangs,
}

/// What was seen of the workers.
struct Watch(Vec<Seen>);

#[derive(Clone, Copy, Default)]
struct Seen {
    beats: u32,
    /// How often they were the same.
    looks: u32,
}

impl Watch {
    fn new(workers: usize) -> Watch {
        Watch(vec![Seen::default(); workers])
    }

    /// Takes the beats of all workers; how each of them is.
    fn look(&mut self, beats: impl Iterator<Item = u32>) -> impl Iterator<Item = State> {
        self.0.iter_mut().zip(beats).map(|(seen, beats)| {
            seen.looks = match seen.beats == beats {
                true => seen.looks.saturating_add(1),
                false => 0,
            };
            seen.beats = beats;
            match seen.looks {
                LOOKS.. => State::Hangs,
                LOOKS_WARN => State::Lingers,
                _ => State::Well,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_on_is_well_and_who_does_not_hangs_after_some_looks() {
        let mut watch = Watch::new(2);
        let mut states = Vec::new();
        for n in 1..=LOOKS + 1 {
            let states_now: Vec<_> = watch.look([n, 7].into_iter()).collect();
            assert_eq!(states_now[0], State::Well);
            states.push(states_now[1]);
        }
        let lingers = states.iter().position(|state| *state == State::Lingers);
        assert_eq!(lingers, Some(LOOKS_WARN as usize));
        let hangs = states.iter().filter(|state| **state == State::Hangs);
        assert_eq!((hangs.count(), states.last()), (1, Some(&State::Hangs)));
    }

    #[test]
    fn a_beat_in_between_is_enough() {
        let mut watch = Watch::new(1);
        for n in 0..100 {
            let mut states = watch.look([n / (LOOKS - 1)].into_iter());
            assert_ne!(states.next(), Some(State::Hangs));
        }
    }
}
