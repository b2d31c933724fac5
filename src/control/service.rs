//! What the service manager is told, and when; above all that every worker is alive.

use std::io;
use std::thread;
use std::time::Duration;

use crate::net::Pulse;
use crate::supervisor;

/// Looks at the pulses in each period in which somebody waits for news.
const LOOKS: u32 = 4;

/// Says that we serve on `addresses`, and goes on saying so if that is wanted.
///
/// # Errors
/// When there can't be a thread for it.
pub fn ready(addresses: &str, pulses: Vec<Pulse>) -> io::Result<()> {
    say(supervisor::ready(addresses));
    if let Some(period) = supervisor::watchdog() {
        let thread = thread::Builder::new().name("alive".into());
        thread.spawn(move || watch(&pulses, period / LOOKS))?;
    }
    Ok(())
}

/// Does what is given, and says that it is a reload.
pub fn reload(work: impl FnOnce()) {
    say(supervisor::reloading());
    work();
    say(supervisor::ready("reloaded"));
}

/// Says that we come to an end.
pub fn stopping() {
    say(supervisor::stopping());
}

/// When a worker hangs, nothing is said, and the service manager does what it was told to.
fn watch(pulses: &[Pulse], pause: Duration) {
    let mut seen = vec![0; pulses.len()];
    loop {
        if have_beaten(pulses, &mut seen) {
            say(supervisor::alive());
        }
        thread::sleep(pause);
    }
}

/// Whether all have beaten since `seen`, which is then brought up to date.
fn have_beaten(pulses: &[Pulse], seen: &mut Vec<u32>) -> bool {
    let now: Vec<_> = pulses.iter().map(Pulse::beats).collect();
    let all = now.iter().zip(&*seen).all(|(now, seen)| now != seen);
    if all {
        *seen = now;
    }
    all
}

fn say(told: io::Result<()>) {
    if let Err(error) = told {
        log::warn!("the service manager can't be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_hangs_counts_for_all() {
        let pulses = [Pulse::default(), Pulse::default()];
        let mut seen = vec![0; 2];
        pulses[0].beat();
        assert!(!have_beaten(&pulses, &mut seen));
        pulses[1].beat();
        assert!(have_beaten(&pulses, &mut seen));
        assert!(!have_beaten(&pulses, &mut seen));
        pulses[0].beat();
        pulses[0].beat();
        assert!(!have_beaten(&pulses, &mut seen));
        pulses[1].beat();
        assert!(have_beaten(&pulses, &mut seen));
    }
}
