//! What answers may say beyond the plain protocol.

use super::{FLAG, Kind, ROW, Setting};
use crate::config::values;

pub(super) const EXTENSIONS: &[Setting] = &[
    Setting {
        key: "tracker.external_ip",
        help: "Whether to tell HTTP clients the public address they are seen at",
        kind: Kind::Flag(|d| &mut d.external_ip),
        ..FLAG
    },
    Setting {
        key: "tracker.peer_ids",
        help: "Whether to keep peer ids, for HTTP clients that want answers with them",
        kind: Kind::Flag(|d| &mut d.keep_ids),
        ..FLAG
    },
    Setting {
        key: "tracker.scrape_interval",
        value: "SECONDS",
        help: "The least time between the scrapes of an HTTP client",
        kind: Kind::Number(1, 86_400, |d| &mut d.scrape_interval),
        ..ROW
    },
    Setting {
        key: "tracker.warning",
        value: "TEXT",
        help: "A text for the users of HTTP clients, beside every announce's answer",
        kind: Kind::Text(values::message, |d| &mut d.warning),
        ..ROW
    },
    Setting {
        key: "tracker.id",
        value: "TEXT",
        help: "What HTTP clients shall send back as trackerid",
        kind: Kind::Text(values::tracker_id, |d| &mut d.tracker_id),
        ..ROW
    },
];
