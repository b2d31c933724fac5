//! What a worker's connections share, since only one is served at a time.

use crate::net::http::Http;
use crate::stats::traffic::Traffic;
use crate::wire::http::HEAD_LEN_MAX;

/// Steps of handshakes in one turn: a signature takes some 0.1 ms, or 1 ms with RSA.
const HANDSHAKES_A_TURN: usize = 4;

/// Room to work in.
pub struct Workspace {
    /// For reading into.
    pub scratch: Box<[u8]>,
    /// For answers on their way out.
    pub out: Vec<u8>,
    /// For bodies.
    pub http: Http,
    /// What went over the sockets lately.
    pub traffic: Traffic,
    /// How many steps of handshakes there may be in this turn still. Each takes as much time as
    /// dozens of announces, which shall not wait for all that there are.
    pub handshakes: usize,
}

impl Workspace {
    /// Nothing in it.
    pub fn new() -> Workspace {
        Workspace {
            scratch: vec![0; HEAD_LEN_MAX].into(),
            out: Vec::new(),
            http: Http::default(),
            traffic: Traffic::default(),
            handshakes: HANDSHAKES_A_TURN,
        }
    }

    /// A new turn begins.
    pub fn turn(&mut self) {
        self.handshakes = HANDSHAKES_A_TURN;
    }
}
