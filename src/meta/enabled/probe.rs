//! Shakes hands with a peer: whether its torrent is public, and whom else it knows.
//!
//! A client that has the metadata of a public torrent offers to send it, and says how long it is
//! (BEP 9, BEP 10); for a private torrent it offers nothing (BEP 27), and as long as it has no
//! metadata it can't know. So both have to be there; anything else proves nothing.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::job::{Failure, Found, Proof};
use super::pex;
use crate::types::{InfoHash, PeerAddr};
use crate::wire::bencode::{Dict, Value};

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// Protocol, flags, info-hash and peer id.
const HANDSHAKE_LEN: usize = 68;
/// The flag of BEP 10, and the byte it is in.
const EXTENDED: (usize, u8) = (25, 0x10);
/// A message of BEP 10, and of these the handshake.
const MESSAGE_EXTENDED: u8 = 20;
const EXTENDED_HANDSHAKE: u8 = 0;
/// As what we want to be sent peers.
const OUR_PEX: u8 = 1;

/// The longest message that is looked into. Others, such as bitfields, are passed over.
const MESSAGE_LEN_MAX: usize = 16 << 10;
/// All that is read of a peer.
const BYTES_MAX: usize = 512 << 10;
/// How long a connection may take, and how long each of so many looks for bytes.
const CONNECT: Duration = Duration::from_millis(2500);
const LOOK: Duration = Duration::from_millis(250);
const LOOKS: usize = 10;
/// Further looks if peers are to be told.
const LOOKS_PEX: usize = 20;

/// Looks at a peer.
///
/// # Errors
/// When there is nobody, or he doesn't speak of this torrent.
pub fn probe(info_hash: &InfoHash, peer: SocketAddr, wants_pex: bool) -> Result<Found, Failure> {
    let wants_pex = wants_pex && pex::IS_BUILT;
    let mut talk = Talk::new(*info_hash, wants_pex);
    let heard = converse(peer, &mut talk);
    match (heard, talk.is_known) {
        (_, true) => Ok(Found::Probed {
            proof: talk.proof,
            peers: talk.peers,
        }),
        (Ok(()), false) if talk.is_refused => Err(Failure::Malformed),
        _ => Err(Failure::Unreachable),
    }
}

fn converse(peer: SocketAddr, talk: &mut Talk) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&peer, CONNECT)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK))?;
    stream.write_all(&talk.greeting())?;
    let mut room = [0; 16 << 10];
    let mut looks = LOOKS;
    let mut patient = false;
    while looks > 0 && !talk.is_over() {
        looks -= 1;
        match stream.read(&mut room) {
            Ok(0) => break,
            Ok(len) => talk.hear(&room[..len]),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
        if talk.waits_for_pex && !patient {
            patient = true;
            looks += LOOKS_PEX;
        }
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// What was said so far; bytes come in pieces of any size.
struct Talk {
    info_hash: InfoHash,
    wants_pex: bool,
    /// What has not been understood yet.
    bytes: Vec<u8>,
    /// Of a message that is passed over, what has yet to come.
    skip: usize,
    heard: usize,
    greeted: bool,
    is_refused: bool,
    /// Whether it has said what it offers, or that it knows no extensions.
    is_known: bool,
    proof: Proof,
    waits_for_pex: bool,
    peers: Vec<PeerAddr>,
}

impl Talk {
    fn new(info_hash: InfoHash, wants_pex: bool) -> Talk {
        Talk {
            info_hash,
            wants_pex,
            bytes: Vec::new(),
            skip: 0,
            heard: 0,
            greeted: false,
            is_refused: false,
            is_known: false,
            proof: Proof::Unproven,
            waits_for_pex: false,
            peers: Vec::new(),
        }
    }

    /// The handshake and what we offer.
    fn greeting(&self) -> Vec<u8> {
        let offer = match self.wants_pex {
            true => &b"d1:md6:ut_pexi1eee"[..],
            false => b"d1:mdee",
        };
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, EXTENDED.1, 0, 0]);
        bytes.extend_from_slice(&self.info_hash.0);
        bytes.extend_from_slice(b"-td0001-");
        // Nothing depends on this being hard to guess.
        let random = RandomState::new().hash_one(0);
        bytes.extend(format!("{random:016x}").bytes().take(12));
        let len = offer.len() as u32 + 2;
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(&[MESSAGE_EXTENDED, EXTENDED_HANDSHAKE]);
        bytes.extend_from_slice(offer);
        bytes
    }

    /// Whether there is nothing more to hear.
    fn is_over(&self) -> bool {
        self.is_refused || self.heard > BYTES_MAX || self.is_known && !self.waits_for_pex
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        self.heard += bytes.len();
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        bytes = &bytes[skipped..];
        self.bytes.extend_from_slice(bytes);
        if !self.greeted && self.bytes.len() >= HANDSHAKE_LEN {
            self.greet();
        }
        while self.greeted && !self.is_over() && self.message() {}
    }

    fn greet(&mut self) {
        let theirs: Vec<u8> = self.bytes.drain(..HANDSHAKE_LEN).collect();
        let is_same = theirs.starts_with(PROTOCOL) && theirs[28..48] == self.info_hash.0;
        self.greeted = is_same;
        self.is_refused = !is_same;
        self.is_known = is_same && theirs[EXTENDED.0] & EXTENDED.1 == 0;
    }

    /// Understands the next message, if it is there.
    fn message(&mut self) -> bool {
        let Some((len, rest)) = self.bytes.split_first_chunk() else {
            return false;
        };
        let len = u32::from_be_bytes(*len) as usize;
        if len > MESSAGE_LEN_MAX {
            let here = rest.len().min(len);
            self.skip = len - here;
            self.bytes.drain(..4 + here);
            return true;
        }
        if rest.len() < len {
            return false;
        }
        let whole: Vec<u8> = self.bytes.drain(..4 + len).skip(4).collect();
        match whole[..] {
            [MESSAGE_EXTENDED, EXTENDED_HANDSHAKE, ref said @ ..] => self.learn(said),
            [MESSAGE_EXTENDED, OUR_PEX, ref said @ ..] if self.waits_for_pex => {
                self.peers = pex::parse(said);
                self.waits_for_pex = false;
            }
            _ => {}
        }
        true
    }

    /// Takes in what the peer offers.
    fn learn(&mut self, said: &[u8]) {
        let Some((Value::Dict(dict), _)) = Value::parse(said) else {
            self.is_refused = true;
            return;
        };
        let offers = dict.value(b"m").and_then(Value::dict);
        let offers = |name: &[u8]| offers.is_some_and(|offers| number(offers, name) > 0);
        if offers(b"ut_metadata") && number(dict, b"metadata_size") > 0 {
            self.proof = Proof::Public;
        }
        self.is_known = true;
        // For a torrent that may be private nobody is asked for others.
        self.waits_for_pex = self.wants_pex && self.proof == Proof::Public && offers(b"ut_pex");
    }
}

fn number(dict: Dict<'_>, key: &[u8]) -> u32 {
    dict.value(key).and_then(Value::int).unwrap_or(0)
}

/// Reads what a peer says, for fuzzers: none of it may do harm, in whatever pieces it comes.
pub fn overhear(bytes: &[u8], piece: usize) {
    let mut talk = Talk::new(InfoHash([7; 20]), true);
    let mut greeting = PROTOCOL.to_vec();
    greeting.extend_from_slice(&[0, 0, 0, 0, 0, EXTENDED.1, 0, 0]);
    greeting.extend_from_slice(&[7; 40]);
    talk.hear(&greeting);
    bytes
        .chunks(piece.max(1))
        .for_each(|piece| talk.hear(piece));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    const HASH: InfoHash = InfoHash([7; 20]);
    /// What clients were seen to offer: with metadata, for a private torrent, for a magnet link
    /// whose metadata has not come yet.
    const PUBLIC: &[u8] = b"d1:md11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei31235ee";
    const PRIVATE: &[u8] = b"d1:md11:upload_onlyi3ee1:v5:a/2.0e";
    const MAGNET: &[u8] = b"d1:md11:ut_metadatai2e6:ut_pexi1eee";

    fn message(kind: &[u8], said: &[u8]) -> Vec<u8> {
        let len = (kind.len() + said.len()) as u32;
        [&len.to_be_bytes()[..], kind, said].concat()
    }

    fn greeting(hash: InfoHash, flags: u8) -> Vec<u8> {
        let parts = [
            &PROTOCOL[..],
            &[0, 0, 0, 0, 0, flags, 0, 5],
            &hash.0,
            &[b'p'; 20],
        ];
        parts.concat()
    }

    fn heard(said: &[u8], piece: usize) -> Talk {
        let mut talk = Talk::new(HASH, true);
        said.chunks(piece).for_each(|piece| talk.hear(piece));
        talk
    }

    #[test]
    fn only_a_client_with_metadata_to_give_proves_anything() {
        for piece in [1, 7, 1000] {
            for (offer, proof) in [
                (PUBLIC, Proof::Public),
                (PRIVATE, Proof::Unproven),
                (MAGNET, Proof::Unproven),
                (
                    b"d1:md11:ut_metadatai0ee13:metadata_sizei5ee",
                    Proof::Unproven,
                ),
                (
                    b"d1:md11:ut_metadatai2ee13:metadata_sizei0ee",
                    Proof::Unproven,
                ),
                (b"d13:metadata_sizei5ee", Proof::Unproven),
            ] {
                // A bitfield comes first, as it mostly does.
                let said = [
                    greeting(HASH, 0x10),
                    message(&[5], &[0xff; 50_000]),
                    message(&[20, 0], offer),
                ];
                let talk = heard(&said.concat(), piece);
                assert_eq!((talk.is_known, talk.proof), (true, proof));
            }
        }
    }

    #[test]
    fn others_are_told_of_by_public_torrents_only() {
        let pex = b"d5:added6:\x0a\0\0\x01\x1a\xe1e";
        let said = |offer: &[u8]| {
            let parts = [
                greeting(HASH, 0x10),
                message(&[20, 0], offer),
                message(&[20, 1], pex),
            ];
            parts.concat()
        };
        assert_eq!(
            heard(&said(PUBLIC), 3).peers.len(),
            usize::from(pex::IS_BUILT)
        );
        assert_eq!(heard(&said(MAGNET), 3).peers, []);
    }

    #[test]
    fn who_speaks_of_something_else_is_not_listened_to() {
        assert!(heard(&greeting(InfoHash([8; 20]), 0x10), 100).is_refused);
        assert!(heard(&[b'x'; 68], 100).is_refused);
        let old = heard(&greeting(HASH, 0), 100);
        assert_eq!((old.is_known, old.proof), (true, Proof::Unproven));
        let endless = heard(
            &[greeting(HASH, 0x10), vec![1; BYTES_MAX + 1]].concat(),
            5000,
        );
        assert!(endless.is_over() && endless.bytes.len() <= MESSAGE_LEN_MAX + 5000);
    }

    #[test]
    fn a_peer_is_asked_over_tcp() {
        let peer = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = peer.local_addr().unwrap();
        let answer = thread::spawn(move || {
            let (mut stream, _) = peer.accept().unwrap();
            let mut asked = [0; HANDSHAKE_LEN];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(asked[28..48], HASH.0);
            stream.write_all(&greeting(HASH, 0x10)).unwrap();
            stream.write_all(&message(&[20, 0], PUBLIC)).unwrap();
            // Until the other one has heard enough.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let found = probe(&HASH, addr, false);
        answer.join().unwrap();
        let expected = Found::Probed {
            proof: Proof::Public,
            peers: Vec::new(),
        };
        assert_eq!(found, Ok(expected));
        assert_eq!(probe(&HASH, addr, false), Err(Failure::Unreachable));
    }
}
