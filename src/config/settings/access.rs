//! Who may ask for what, and who speaks for others.

use super::{FLAG, Kind, ROW, Setting};
use crate::config::HashFile;
use crate::config::values;

pub(super) const ACCESS: &[Setting] = &[
    Setting {
        key: "access.whitelist",
        value: "FILE",
        short: Some('w'),
        help: "Serve only the torrents whose info-hashes are in this file",
        kind: Kind::Hashes(HashFile::White),
        ..ROW
    },
    Setting {
        key: "access.blacklist",
        value: "FILE",
        short: Some('b'),
        help: "Serve all torrents but those whose info-hashes are in this file",
        kind: Kind::Hashes(HashFile::Black),
        ..ROW
    },
    Setting {
        key: "access.keys",
        value: "FILE",
        help: "Serve only those whose URL has one of the keys in this file: a private tracker",
        kind: Kind::Path(|d| &mut d.keys),
        ..ROW
    },
    Setting {
        key: "access.fifo_add",
        value: "PATH",
        help: "Put info-hashes written to this fifo onto the list",
        kind: Kind::Path(|d| &mut d.fifo_add),
        ..ROW
    },
    Setting {
        key: "access.fifo_delete",
        value: "PATH",
        help: "Take info-hashes written to this fifo off the list",
        kind: Kind::Path(|d| &mut d.fifo_delete),
        ..ROW
    },
    Setting {
        key: "access.stats",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Let this address or network read the statistics; without it, everybody may",
        kind: Kind::Net(|d| &mut d.stats_readers),
        ..ROW
    },
    Setting {
        key: "access.stats_path",
        value: "PATH",
        default: "stats",
        help: "Where the statistics are, without the leading slash",
        kind: Kind::Text(values::stats_path, |d| &mut d.stats_path),
        ..ROW
    },
    Setting {
        key: "access.metrics_path",
        value: "PATH",
        default: "metrics",
        help: "Where Prometheus finds the metrics, without the leading slash",
        feature: "metrics",
        kind: Kind::Text(values::stats_path, |d| &mut d.metrics_path),
        ..ROW
    },
    Setting {
        key: "access.full_scrape",
        default: "yes",
        help: "Whether to list all torrents for those who ask",
        kind: Kind::Flag(|d| &mut d.full_scrape),
        ..FLAG
    },
    Setting {
        key: "access.full_scrape_net",
        value: "IP[/BITS]",
        repeatable: true,
        help: "List all torrents only for this address or network",
        kind: Kind::Net(|d| &mut d.full_scrapers),
        ..ROW
    },
    Setting {
        key: "access.full_scrape_interval",
        value: "SECONDS",
        default: "300",
        help: "The least time between two such lists for one address; 0 for none",
        kind: Kind::Number(0, 86_400, |d| &mut d.full_scrape_interval),
        ..ROW
    },
    Setting {
        key: "stats.woodpeckers",
        help: "Count networks that announce too early, for /stats?mode=woodpeckers",
        kind: Kind::Flag(|d| &mut d.woodpeckers),
        ..FLAG
    },
    Setting {
        key: "stats.fulllog",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Keep the HTTP requests from this network for /stats?mode=fulllog",
        kind: Kind::Net(|d| &mut d.watched),
        ..ROW
    },
    Setting {
        key: "stats.charset",
        value: "NAME",
        alias: Some("charset"),
        help: "The character set that the page of statistics says it is in, such as utf-8",
        kind: Kind::Text(values::charset, |d| &mut d.stats_charset),
        ..ROW
    },
    Setting {
        key: "stats.locale",
        value: "NAME",
        default: "C",
        alias: Some("locale"),
        help: "Set thousands apart on the page of statistics, as in this language, such as en_US",
        kind: Kind::Own(|d, text| {
            d.stats_separator = values::separator(text)?;
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "access.proxy",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Believe the proxies in this network about where requests come from",
        kind: Kind::Net(|d| &mut d.proxies),
        ..ROW
    },
    Setting {
        key: "access.proxy_header",
        value: "NAME",
        default: "X-Forwarded-For",
        alias: Some("x-forwarded-for"),
        implied: "X-Forwarded-For",
        help: "The header in which proxies say so",
        kind: Kind::Text(values::header, |d| &mut d.proxy_header),
        ..ROW
    },
    Setting {
        key: "access.proxy_protocol",
        help: "Whether connections from proxies begin with the PROXY protocol",
        kind: Kind::Flag(|d| &mut d.proxy_protocol),
        ..FLAG
    },
    Setting {
        key: "tracker.ip_from_query",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Heed the ip in HTTP announces that come from this network",
        kind: Kind::Net(|d| &mut d.ip_from_query),
        ..ROW
    },
];
