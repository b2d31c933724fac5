//! A build that doesn't ask peers for others.

use crate::types::PeerAddr;

/// Whether there is any use in asking.
pub const IS_BUILT: bool = false;

/// Nobody.
pub fn parse(_: &[u8]) -> Vec<PeerAddr> {
    Vec::new()
}
