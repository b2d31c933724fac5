//! What is particular to HTTP.

use super::{Kind, ROW, Setting};
use crate::config::values;

pub(super) const HTTP: &[Setting] = &[
    Setting {
        key: "tracker.redirect_url",
        value: "URL",
        short: Some('r'),
        help: "Where to send those who open / in a browser",
        kind: Kind::Text(values::url, |d| &mut d.redirect_url),
        ..ROW
    },
    Setting {
        key: "http.connections_max",
        value: "N",
        // Below the 4096 open files that most systems grant without asking.
        default: "4000",
        help: "The most connections at a time, all threads together",
        kind: Kind::Number(1, 1_000_000, |d| &mut d.connections_max),
        ..ROW
    },
    Setting {
        key: "http.keep_alive",
        value: "on|off|SECONDS",
        default: "on",
        alias: Some("keep-alive"),
        implied: "on",
        help: "Whether connections may stay for a next request, or for how long",
        kind: Kind::Own(|d, text| {
            let (stay, secs) = values::keep_alive(text)?;
            d.keep_alive = Some(stay);
            d.idle_secs_max = secs.or(d.idle_secs_max);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "http.idle_secs_max",
        value: "SECONDS",
        default: "30",
        help: "How long a connection may wait for its next request",
        kind: Kind::Number(1, 3600, |d| &mut d.idle_secs_max),
        ..ROW
    },
    Setting {
        key: "http.request_secs_max",
        value: "SECONDS",
        default: "10",
        alias: Some("socket-timeout"),
        help: "How long a request may take to arrive",
        kind: Kind::Number(1, 300, |d| &mut d.request_secs_max),
        ..ROW
    },
];
