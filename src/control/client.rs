//! The program as a client of trackers: what is ordered is done, and what comes of it said.

use std::io::{self, Write};

use crate::client;
use crate::error::{Exit, Fatal};
use crate::types::Order;

/// Asks a tracker, and writes the answer to the standard output.
///
/// # Errors
/// With [`Exit::Unhealthy`] when something is wrong with the tracker, and with [`Exit::Usage`] when
/// it is none by its URL, or this build can't ask.
pub fn ask(order: &Order) -> Result<(), Fatal> {
    let word = order.quest.word();
    let outcome = client::ask(order).ok_or_else(|| {
        let what = "this build lacks the feature client";
        Fatal::new(Exit::Usage, word, what)
    })?;
    let outcome = outcome.map_err(|what| {
        let at = format!("{word} `{}`", order.tracker);
        Fatal::new(Exit::Usage, at, what)
    })?;
    // Whoever closes the pipe doesn't want to read on.
    let _ = io::stdout().write_all(outcome.text.as_bytes());
    match outcome.fault {
        None => Ok(()),
        Some(what) => Err(Fatal::new(Exit::Unhealthy, &order.tracker, what)),
    }
}
