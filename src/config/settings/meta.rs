//! What is asked of other trackers, of the distributed hash table and of peers.

use super::{FLAG, Kind, ROW, Setting};
use crate::config::values;

/// What most rows say.
const META_ROW: Setting = Setting {
    feature: "meta",
    ..ROW
};

/// What those say that take a yes or no.
const META_FLAG: Setting = Setting {
    feature: "meta",
    ..FLAG
};

pub(super) const META: &[Setting] = &[
    Setting {
        key: "meta.mode",
        value: "off|lan|all",
        default: "off",
        help: "Pass announces that ask for it on to other trackers, of the LAN or of everybody",
        kind: Kind::Word(&["off", "lan", "all"], |d| &mut d.meta.mode),
        ..META_ROW
    },
    Setting {
        key: "meta.clients",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Pass on announces of this address or network, and of no others",
        kind: Kind::Net(|d| &mut d.meta.clients),
        ..META_ROW
    },
    Setting {
        key: "meta.listen",
        value: "IP:PORT",
        repeatable: true,
        help: "Serve here too, and take every announce here for one that asks for it",
        kind: Kind::Own(|d, text| {
            d.meta.listens.push(values::meta_place(text)?);
            Ok(())
        }),
        ..META_ROW
    },
    Setting {
        key: "meta.hold",
        value: "MILLISECONDS",
        default: "1500",
        help: "Have answers wait so long for what others know of a new torrent; 0 for never",
        kind: Kind::Number(0, 10_000, |d| &mut d.meta.hold_millis),
        ..META_ROW
    },
    Setting {
        key: "meta.upstreams",
        value: "FILE",
        repeatable: true,
        help: "Ask the trackers whose URLs are in this file; BEP 34 is not looked up",
        kind: Kind::Own(|d, text| {
            d.meta.upstreams.push(text.into());
            Ok(())
        }),
        ..META_ROW
    },
    Setting {
        key: "meta.list_url",
        value: "URL|none",
        repeatable: true,
        help: "Ask the trackers that are listed there; without this and the file, the usual lists",
        kind: Kind::Own(|d, text| {
            match text {
                "none" => d.meta.no_lists = true,
                url => d.meta.list_urls.push(values::web_url(url)?.to_owned()),
            }
            Ok(())
        }),
        ..META_ROW
    },
    Setting {
        key: "meta.k",
        value: "N",
        default: "8",
        help: "Ask so many trackers for each torrent",
        kind: Kind::Number(1, 64, |d| &mut d.meta.k),
        ..META_ROW
    },
    Setting {
        key: "meta.select",
        value: "score|ratio",
        default: "score",
        help: "Choose them by what they were good for, or by the ratio of their successes alone",
        kind: Kind::Word(&["score", "ratio"], |d| &mut d.meta.select),
        ..META_ROW
    },
    Setting {
        key: "meta.refresh",
        value: "SECONDS",
        default: "1800",
        help: "Ask them again after so long, or what they ask for if that is longer",
        kind: Kind::Number(5, 86_400, |d| &mut d.meta.refresh),
        ..META_ROW
    },
    Setting {
        key: "meta.allow",
        value: "FILE",
        help: "Pass on torrents whose info-hashes are in this file, unproven and unasked",
        kind: Kind::Path(|d| &mut d.meta.allow),
        ..META_ROW
    },
    Setting {
        key: "meta.deny",
        value: "FILE",
        help: "Never pass on torrents whose info-hashes are in this file",
        kind: Kind::Path(|d| &mut d.meta.deny),
        ..META_ROW
    },
    Setting {
        key: "meta.public_proof",
        default: "yes",
        help: "Pass on only torrents that the client itself proves to be public",
        kind: Kind::Flag(|d| &mut d.meta.public_proof),
        ..META_FLAG
    },
    Setting {
        key: "meta.never_first",
        default: "yes",
        help: "Announce a torrent only where it is known already",
        kind: Kind::Flag(|d| &mut d.meta.never_first),
        ..META_FLAG
    },
    Setting {
        key: "meta.announce",
        value: "nat|always|never",
        default: "nat",
        help: "Tell others of clients behind our address translation, of all, or of none",
        kind: Kind::Word(&["nat", "always", "never"], |d| &mut d.meta.announce),
        ..META_ROW
    },
    Setting {
        key: "meta.dht",
        value: "off|lookup|announce",
        default: "lookup",
        help: "Ask the distributed hash table for peers, and tell it of clients",
        feature: "dht",
        kind: Kind::Word(&["off", "lookup", "announce"], |d| &mut d.meta.dht),
        ..ROW
    },
    Setting {
        key: "meta.dht_port",
        value: "PORT",
        default: "0",
        help: "Ask from this port; 0 for any",
        feature: "dht",
        kind: Kind::Number(0, 65_535, |d| &mut d.meta.dht_port),
        ..ROW
    },
    Setting {
        key: "meta.dht_bootstrap",
        value: "HOST:PORT",
        repeatable: true,
        help: "Enter the hash table by this node; without it, by the usual ones",
        feature: "dht",
        kind: Kind::Texts(values::node, |d| &mut d.meta.dht_bootstrap),
        ..ROW
    },
    Setting {
        key: "meta.pex",
        default: "yes",
        help: "Ask peers for other peers where few are known",
        feature: "pex",
        kind: Kind::Flag(|d| &mut d.meta.pex),
        ..FLAG
    },
    Setting {
        key: "meta.swarms_max",
        value: "N",
        default: "256",
        help: "Pass on so many torrents at a time",
        kind: Kind::Number(1, 65_536, |d| &mut d.meta.swarms_max),
        ..META_ROW
    },
    Setting {
        key: "meta.client_swarms",
        value: "N",
        default: "128",
        help: "Of these, so many for one address that announces come from",
        kind: Kind::Number(1, 65_536, |d| &mut d.meta.client_swarms),
        ..META_ROW
    },
    Setting {
        key: "meta.pps",
        value: "N",
        default: "20",
        help: "Send other trackers so many datagrams in a second",
        kind: Kind::Number(1, 1000, |d| &mut d.meta.pps),
        ..META_ROW
    },
    Setting {
        key: "meta.tcp",
        value: "N",
        default: "8",
        help: "Have so many connections to others at a time",
        kind: Kind::Number(1, 64, |d| &mut d.meta.tcp),
        ..META_ROW
    },
    Setting {
        key: "meta.state",
        value: "FILE",
        help: "Keep there what is known of other trackers, for the next start",
        kind: Kind::Path(|d| &mut d.meta.state),
        ..META_ROW
    },
    Setting {
        key: "meta.allow_private",
        help: "Ask trackers and take peers of private networks too: for networks of one's own",
        kind: Kind::Flag(|d| &mut d.meta.allow_private),
        ..META_FLAG
    },
];
