//! The rules by which workers answer: swapped whole while they serve.

use std::sync::Arc;

use crate::access::{Cookie, Gate, Paces};
use crate::api::Token;
use crate::meta;
use crate::net::desk::Terms;
use crate::net::meta::Policy;
use crate::swarm::Quota;
use crate::tls::Server;
use crate::types::Net;

/// All that can change while workers serve.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What clients are told and granted.
    pub terms: Terms,
    /// Who may ask for what.
    pub gate: Gate,
    /// How often.
    pub paces: Paces,
    /// Which other trackers to believe.
    pub nodes: Arc<[Net]>,
    /// What swarms and peers may have.
    pub quota: Quota,
    /// What is passed on to other trackers, if anything is.
    pub meta: Option<meta::Present<Policy>>,
    /// How connection ids are made, if others make the same.
    pub cookie: Option<Cookie>,
    /// What has to be shown to manage the tracker.
    pub api_token: Option<Arc<Token>>,
    /// In whose name HTTPS is answered, if it is.
    pub tls: Option<Server>,
}
