//! How much there may be.

/// Limits of memory and of what takes it; `None` means none of the operator's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of memory that the process may take.
    pub limit: Option<usize>,
    /// The most torrents.
    pub torrents_max: Option<u32>,
    /// The most peers, of both families.
    pub peers_max: Option<u32>,
}
