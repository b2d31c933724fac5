//! Sockets and the road: what a request walks through in a worker, and nothing else.
//!
//! Promises that every request is answered from the address it was sent to, or dropped and
//! counted; that nobody, by what or how much or how slowly he sends, keeps others waiting for more
//! than a turn. It starts no thread, opens no file and reads no configuration: who directs the
//! workers ([`control`](crate::control)) gives them sockets and values, and a thread to run on.
//!
//! A reader begins with [`Worker`], the loop. In each turn datagrams go through `udp`, and
//! connections through `tcp` (all of them), `conn` (one), `stream` (encrypted or not) and `http`
//! (what is asked); `door` asks the gate, [`Desk`] has what answers are made of, and the router
//! takes them to the swarms. What takes more than a worker knows goes round all of them: `rounds`,
//! asked for by `statistics`, `scroll` and `inquiry`. What workers have in common is in [`Shared`].

mod bulletin;
pub mod bus;
mod conn;
#[cfg(test)]
mod cuts;
mod desk;
mod door;
mod http;
pub mod inquiry;
mod livesync;
pub mod meta;
mod pieces;
mod pulse;
mod rates;
mod requests;
#[cfg(any(test, fuzzing))]
mod rig;
mod rounds;
mod rules;
mod scroll;
mod seats;
mod shared;
mod shares;
mod statistics;
mod stream;
mod tcp;
mod torture;
mod trend;
mod udp;
pub mod visitors;
mod worker;
mod workspace;

use std::io;
use std::net::{TcpListener, UdpSocket};

use crate::api::Api;
use crate::router;
use crate::sys::clock;

pub use bulletin::{Bulletin, News};
pub use desk::{Desk, Terms};
pub use livesync::Livesync;
pub use pieces::{Piece, Pieces};
pub use pulse::Pulse;
#[cfg(fuzzing)]
pub use rig::whole_connection;
pub use rounds::{Quest, Round, sheets};
pub use rules::Rules;
pub use shared::Shared;
pub use shares::Budget;
pub use trend::Trend;
pub use worker::{WAKE, Worker};

/// The sockets of one worker; every worker has the same addresses in the same order.
#[derive(Default)]
pub struct Sockets {
    /// For datagrams.
    pub udp: Vec<UdpSocket>,
    /// For connections.
    pub tcp: Vec<TcpListener>,
    /// For encrypted ones.
    pub https: Vec<TcpListener>,
    /// For live sync, if there is any.
    pub livesync: Option<UdpSocket>,
}

/// Where an answer goes.
#[derive(Clone, Copy, Debug)]
pub enum Ticket {
    /// To a UDP client.
    Udp(udp::Return),
    /// To a connection.
    Http(tcp::Return),
    /// To all connections that wait for the sheets of all workers.
    Survey,
    /// To who asked by the hatch, which only the management API does.
    Hatch(Api, u32),
    /// To an answer that is to be completed by what others know.
    Relay(meta::Slot),
}

/// A worker's way to its shard, and to those of others.
pub type Router = router::Router<Ticket, Round>;

/// What it takes to answer: who owns what, and by which rules.
pub struct Office<'a> {
    router: &'a mut Router,
    desk: &'a mut Desk,
}

/// The secret of a shard.
///
/// # Errors
/// When the system has no randomness.
pub fn random_seed() -> io::Result<[u64; 2]> {
    Ok([clock::entropy()?, clock::entropy()?].map(u64::from_ne_bytes))
}
