//! A build that asks peers for others.

use crate::types::{Family, PeerAddr};
use crate::wire::bencode::{Dict, Value};
use crate::wire::compact;

/// Whether there is any use in asking.
pub const IS_BUILT: bool = true;

/// Peers of each family that a message may add; BEP 11 has fifty.
const PEERS_MAX: usize = 200;

/// The peers that a message adds; none if it is malformed.
pub fn parse(message: &[u8]) -> Vec<PeerAddr> {
    let parsed = Value::parse(message);
    let Some(dict) = parsed.and_then(|(value, _)| value.dict()) else {
        return Vec::new();
    };
    let v4 = added(dict, b"added", Family::V4);
    let v6 = added(dict, b"added6", Family::V6);
    let (v4, v6) = (v4.as_chunks().0.iter(), v6.as_chunks().0.iter());
    let v4 = v4.take(PEERS_MAX).copied().map(PeerAddr::V4);
    v4.chain(v6.take(PEERS_MAX).copied().map(PeerAddr::V6))
        .collect()
}

fn added<'a>(dict: Dict<'a>, key: &[u8], family: Family) -> &'a [u8] {
    let bytes = dict.value(key).and_then(Value::bytes);
    bytes
        .and_then(|bytes| compact::whole(family, bytes))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_read_and_nonsense_is_not() {
        let mut message =
            b"d5:added12:\x0a\0\0\x01\x1a\xe1\x0a\0\0\x02\x1a\xe17:added.f2:\0\0".to_vec();
        message.extend_from_slice(b"6:added618:");
        message.extend_from_slice(&[0x20; 18]);
        message.extend_from_slice(b"7:dropped0:e");
        let peers = parse(&message);
        let first = PeerAddr::new([10, 0, 0, 1].into(), 6881);
        assert_eq!((peers.len(), peers.first()), (3, Some(&first)));
        for nonsense in [
            &b""[..],
            b"i1e",
            b"d5:addedi1ee",
            b"d5:added5:12345e",
            b"d5:added",
        ] {
            assert_eq!(parse(nonsense), []);
        }
    }
}
