//! What strangers are granted, from the configuration.

use std::io;
use std::sync::Arc;

use crate::access::{Clients, Nets, Paces, Penalties, Ranges, Rule, neighbourhood};
use crate::config::{Config, Programs};
use crate::control::rules::{self, Occasion};
use crate::error::{Exit, Fatal};
use crate::swarm::Quota;

/// Whom the configuration denies, and the list that it names.
///
/// # Errors
/// When the list can't be read: without it those would be let in whom the operator believes shut
/// out.
pub fn denied(config: &Config, occasion: Occasion) -> Result<Ranges, Fatal> {
    let nets = config.denied.iter().copied();
    let Some(path) = &config.deny_file else {
        return Ok(nets.collect());
    };
    let fatal =
        |error: io::Error| Fatal::new(Exit::NoInput, path.display().to_string(), error.to_string());
    let listed = rules::read_list(path, rules::LIST_BYTES_MAX, occasion, Ranges::parse);
    Ok(nets.chain(listed.map_err(fatal)?.iter().copied()).collect())
}

/// Which programs may announce.
pub fn clients(config: &Config) -> Clients {
    let rule = |programs: &Programs| {
        let bytes = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
        Rule {
            allow: bytes(&programs.allow),
            deny: bytes(&programs.deny),
        }
    };
    Clients {
        ids: rule(&config.peer_ids),
        agents: rule(&config.agents),
        text: config.program_text.clone().unwrap_or_default(),
    }
}

/// How often one source may ask.
pub fn paces(config: &Config) -> Paces {
    let limits = &config.limits;
    let exempt: Nets = match limits.exempt.is_empty() {
        true => neighbourhood().collect(),
        false => limits.exempt.iter().copied().collect(),
    };
    Paces {
        connects_per_sec: limits.connects_per_sec,
        announces_per_sec: limits.announces_per_sec,
        scrapes_per_sec: limits.scrapes_per_sec,
        connections_per_sec: limits.connections_per_sec,
        burst_secs: limits.burst_secs,
        penalties: Penalties {
            strikes: limits.strikes,
            window_secs: limits.strike_secs,
            ban_secs: limits.ban_secs,
        },
        sources: limits.sources,
        exempt: Arc::new(exempt),
    }
}

/// What swarms and peers may have.
pub fn quota(config: &Config) -> Quota {
    let early_secs = match config.enforce_interval {
        // Half of it is not a little early, whatever the clocks and the ways.
        true => config.intervals.min_interval / 2,
        false => 0,
    };
    Quota {
        early_secs,
        torrent_peers_max: config.limits.torrent_peers_max,
        address_peers_max: config.limits.address_peers_max,
    }
}
