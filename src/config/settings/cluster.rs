//! Live sync with other trackers.

use super::{Kind, ROW, Setting};
use crate::config::values;

pub(super) const CLUSTER: &[Setting] = &[
    LIVESYNC_LISTEN,
    Setting {
        key: "livesync.cluster.node_ip",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Believe what trackers at this address or in this network tell",
        feature: "cluster",
        kind: Kind::Net(|d| &mut d.nodes),
        ..ROW
    },
    Setting {
        key: "batchsync.cluster.admin_ip",
        value: "IP",
        repeatable: true,
        help: "opentracker's; has no effect, there as here",
        kind: Kind::Own(|d, _| {
            d.ignored.push("batchsync.cluster.admin_ip");
            Ok(())
        }),
        ..ROW
    },
];

pub(super) const LIVESYNC_LISTEN: Setting = Setting {
    key: "livesync.cluster.listen",
    value: "IP[:PORT]",
    help: "Share peers with other trackers, by the interface of this address",
    feature: "cluster",
    kind: Kind::Own(|d, text| {
        d.livesync = Some(values::livesync(text)?);
        Ok(())
    }),
    ..ROW
};

/// All that an address can be blessed with, in one go; on the command line only.
pub(super) const BLESS: Setting = Setting {
    key: "-A",
    value: "IP[/BITS]",
    repeatable: true,
    kind: Kind::Net(|d| &mut d.blessed),
    ..ROW
};
