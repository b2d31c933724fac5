//! Torrents and peers, as a snapshot keeps them.

use super::{InfoHash, PeerAddr, PeerId, Seconds};

/// A torrent; its peers follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptTorrent {
    /// Which one.
    pub info_hash: InfoHash,
    /// Downloads finished since it is known, 31 bits.
    pub completed: u32,
    /// Whether there has been more to it than one peer who came once.
    pub established: bool,
    /// How long it has had no peers; `None` if it has some.
    pub idle_secs: Option<Seconds>,
}

/// One of its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptPeer {
    /// Where it is; its port is never 0.
    pub addr: PeerAddr,
    /// What it calls itself, if that is kept.
    pub id: Option<PeerId>,
    /// Whether it has nothing left to download.
    pub seeder: bool,
    /// Whether its completion was counted.
    pub counted: bool,
    /// Whether it is incomplete and wants nothing more (BEP 21).
    pub paused: bool,
    /// How long it may still be silent.
    pub left_secs: Seconds,
}

/// What a snapshot consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A torrent, perhaps one of which some peers came before.
    Torrent(KeptTorrent),
    /// A peer of the last torrent.
    Peer(KeptPeer),
}
