//! trackerd, a BitTorrent tracker.

pub mod access;
pub mod config;
pub mod error;
pub mod net;
pub mod router;
pub mod stats;
pub mod swarm;
#[allow(unsafe_code)]
pub mod sys;
pub mod types;
pub mod wire;
