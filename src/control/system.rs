//! Whether the system grants what the configuration needs.

use crate::advice::{self, Plan};
use crate::config::{Config, Listen};
use crate::control::rules::descriptors_kept;
use crate::control::{descriptors_used, os, privileges, workers};
use crate::error::{Exit, Fatal};
use crate::sys::file;

/// Files below /proc are short.
const FILE_BYTES_MAX: usize = 4096;

/// What is good, and what to change and why, as a text.
///
/// # Errors
/// In a build that gives no advice.
pub fn check(config: &Config) -> Result<String, Fatal> {
    let open_files = privileges::raise_limits(config).map_err(os("open files"))?;
    let serves = |what: fn(&Listen) -> bool| config.listens.iter().any(what);
    let mut ports: Vec<_> = config
        .listens
        .iter()
        .map(|listen| listen.addr.port())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    let sockets = |listen: &Listen| usize::from(listen.connects()) + usize::from(listen.udp);
    let sockets = config.listens.iter().map(sockets).sum();
    let plan = Plan {
        connections_max: serves(Listen::connects).then_some(config.connections_max),
        receive_buffer: serves(|listen| listen.udp).then(|| config.receive_buffer.unwrap_or(0)),
        descriptors: descriptors_used(workers(config), sockets) + descriptors_kept(config),
        open_files,
        ports,
    };
    let read = |path: &str| {
        let text = file::read_regular(path.as_ref(), FILE_BYTES_MAX).ok()?;
        String::from_utf8(text).ok()
    };
    advice::advise(&plan, read).ok_or_else(|| {
        let what = "this build lacks the feature check-system";
        Fatal::new(Exit::Usage, "--check-system", what)
    })
}
