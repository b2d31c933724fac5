//! What the tracker says of what happens: messages, and if it is wanted a line for each request.
//!
//! Messages go to the standard error as text, from every build. With the feature `journal` they can
//! be in JSON and go to the system's log; and requests, which workers hand in, are written to a
//! file by a thread of its own, for which nobody waits. How much is told of clients' addresses is
//! for the operator to say, and holds for all of it.

#[cfg(not(feature = "journal"))]
mod disabled;
#[cfg(feature = "journal")]
mod enabled;
mod privacy;
pub mod progress;

#[cfg(not(feature = "journal"))]
pub use disabled::*;
#[cfg(feature = "journal")]
pub use enabled::*;
pub use privacy::{Privacy, privacy};

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::error::{Exit, Fatal};
use crate::net::Shared;

/// Where messages go, whole lines at a time.
pub struct Outlet;

impl Write for Outlet {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(line) = divert(line) {
            progress::make_way();
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes messages as configured from now on.
pub fn keep_to(config: &Config) {
    log::set_max_level(level(config));
    privacy::keep_to(config.log.addresses);
    redirect(config);
}

/// Opens the file that requests are written to, if there is one, or opens it anew.
///
/// # Errors
/// When it can't be opened.
pub fn open(journal: &mut Journal, config: &Config, shared: &Arc<Shared>) -> Result<(), Fatal> {
    let opened = journal.open(config, shared);
    opened.map_err(|error| {
        let path = config.log.access.as_deref().unwrap_or(Path::new(""));
        Fatal::new(
            Exit::of(&error),
            path.display().to_string(),
            error.to_string(),
        )
    })
}

/// Says that the tracker serves: a line that others wait for, however much is to be written.
pub fn ready(addresses: &str) {
    // Who doesn't listen any more is no reason not to serve.
    let _ = match is_plain() {
        true => writeln!(io::stderr(), "ready: {addresses}"),
        false => {
            log::logger().log(
                &log::Record::builder()
                    .level(log::Level::Info)
                    .target("trackerd")
                    .args(format_args!("ready: {addresses}"))
                    .build(),
            );
            Ok(())
        }
    };
}

/// How much to log, as configured.
fn level(config: &Config) -> log::LevelFilter {
    config.log.level.parse().unwrap_or(log::LevelFilter::Info)
}

/// A message as text.
fn write_text(out: &mut impl Write, record: &log::Record<'_>) -> io::Result<()> {
    writeln!(
        out,
        "[{:<5} {}] {}",
        record.level(),
        record.target(),
        record.args()
    )
}
