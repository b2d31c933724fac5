//! Where the other nodes are met, and what is shared there.

use super::intervals::Contradiction;
use std::path::PathBuf;

/// The bus of a tracker of many nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus {
    /// Addresses of the Redis or Valkey server, or of several of one cluster; never empty.
    pub servers: Vec<String>,
    /// What this tracker is called there; fit for the name of a key.
    pub name: String,
    /// A file of the key that frames are signed with, if they are.
    pub key_file: Option<PathBuf>,
    /// How long news are gathered, in milliseconds.
    pub delay_millis: u32,
    /// About how many frames are kept for those that were away.
    pub stream_frames: u32,
    /// Bytes of frames that may wait here while the server is away.
    pub backlog_bytes_max: usize,
    /// Peers that may wait between each worker and the bus, each way.
    pub ring_len: usize,
    /// Whether the files of lists and keys are kept as the server has them.
    pub lists: bool,
    /// Whether the file of the secret of connection ids is.
    pub secret: bool,
}

/// What was said of [`Bus`].
#[derive(Default)]
pub struct BusSaid {
    pub servers: Vec<String>,
    pub name: Option<String>,
    pub key_file: Option<PathBuf>,
    pub delay_millis: Option<u32>,
    pub stream_frames: Option<u32>,
    pub backlog: Option<usize>,
    pub ring: Option<u32>,
    pub lists: Option<bool>,
    pub secret: Option<bool>,
}

impl BusSaid {
    /// What was said to no effect, though it sounds as if it had one.
    pub fn idle(&self) -> Option<Contradiction> {
        let said = [
            (&["bus.key_file"][..], self.key_file.is_some()),
            (&["bus.lists"], self.lists.unwrap_or(false)),
            (&["bus.secret"], self.secret.unwrap_or(false)),
        ];
        let idle = said
            .iter()
            .find(|(_, said)| *said && self.servers.is_empty());
        idle.map(|(key, _)| {
            let what = "there is no bus without bus.server: set that too";
            (*key, what.into())
        })
    }

    pub fn finish(self) -> Option<Bus> {
        (!self.servers.is_empty()).then(|| Bus {
            servers: self.servers,
            name: self.name.unwrap_or_else(|| "trackerd".into()),
            key_file: self.key_file,
            delay_millis: self.delay_millis.unwrap_or(100),
            stream_frames: self.stream_frames.unwrap_or(30_000),
            backlog_bytes_max: self.backlog.unwrap_or(16 << 20),
            ring_len: self.ring.unwrap_or(16_384) as usize,
            lists: self.lists.unwrap_or(false),
            secret: self.secret.unwrap_or(false),
        })
    }
}
