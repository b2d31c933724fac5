//! Asking a tracker that runs how its meta-tracker goes.

use std::io::Read;
use std::time::Duration;

use crate::config::Config;
use crate::control::health::{nearest, request};
use crate::error::{Exit, Fatal};
use crate::meta::Built;
use crate::wire::http::{Response, Status};

const PATIENCE: Duration = Duration::from_secs(5);

/// The longest report that is read.
const BYTES_MAX: u64 = 1 << 20;

/// The report of a tracker that runs as configured.
///
/// # Errors
/// When there is none, or none for us.
pub fn report(config: &Config) -> Result<String, Fatal> {
    if Built::here().is_none() {
        let what = "this build lacks the feature meta";
        return Err(Fatal::new(Exit::Usage, "--stats", what));
    }
    let listen = config.listens.iter().find(|listen| listen.tcp);
    let Some(listen) = listen.filter(|listen| listen.addr.port() != 0) else {
        let what = "it is asked by HTTP: name the address and port where it serves that";
        return Err(Fatal::new(Exit::Usage, "--stats", what));
    };
    let to = nearest(listen.addr);
    let path = format!("/{}?mode=meta", config.stats_path);
    let fatal = |what| Fatal::new(Exit::Unhealthy, format!("tcp://{to}"), what);
    let mut answer = Vec::new();
    let asked = request(to, &path, PATIENCE, config);
    let read = asked.and_then(|stream| stream.take(BYTES_MAX).read_to_end(&mut answer));
    read.map_err(|error| fatal(format!("no answer: {error}")))?;
    let Ok(Some((response, len))) = Response::parse(&answer, 0) else {
        return Err(fatal("what answers is no tracker".to_owned()));
    };
    match response.status {
        Status::OK => Ok(String::from_utf8_lossy(&answer[len..]).into_owned()),
        Status::FORBIDDEN => Err(fatal("it tells only those of access.stats".to_owned())),
        _ => Err(fatal("it passes nothing on: see meta.mode".to_owned())),
    }
}
