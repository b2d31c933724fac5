//! The API by which other programs manage the tracker.

use super::{Kind, ROW, Setting};
use crate::config::values;

pub(super) const API: &[Setting] = &[
    Setting {
        key: "api.listen",
        value: "IP:PORT|unix:PATH",
        help: "Serve the management API there, on this machine unless there is a token",
        feature: "api",
        kind: Kind::Own(|d, text| {
            d.api = Some(values::api(text)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "api.token_file",
        value: "FILE",
        help: "Serve it only to those who send the token in this file",
        feature: "api",
        kind: Kind::Path(|d| &mut d.api_token),
        ..ROW
    },
];
