//! Shakes hands with a peer: whether its torrent is public, and whom else it knows.
//!
//! A client that has the metadata of a public torrent offers to send it, and says how long it is
//! (BEP 9, BEP 10). For a private torrent some offer nothing (libtorrent, Transmission), others the
//! same (aria2, rTorrent), and as long as it has no metadata it can't know. So the metadata itself
//! is asked for, and has to be there, without the mark of private ones (BEP 27), and be what the
//! info-hash is the hash of; anything else proves nothing.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::job::{Failure, Found, Proof};
use super::pex;
use crate::meta::Millis;
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
/// As what we want to be sent peers, and metadata.
const OUR_PEX: u8 = 1;
const OUR_METADATA: u8 = 2;

/// The longest message that is looked into, a piece of metadata and what is before it. Others, such
/// as bitfields, are passed over.
const MESSAGE_LEN_MAX: usize = (16 << 10) + 256;
/// Metadata come in pieces of this length, the last may be shorter; longer ones prove nothing.
const PIECE_LEN: usize = 16 << 10;
const METADATA_LEN_MAX: usize = 1 << 20;
/// All that is read of a peer.
const BYTES_MAX: usize = (512 << 10) + METADATA_LEN_MAX;
/// How long it may take until there is a connection.
const CONNECT: Duration = Duration::from_millis(2500);
/// How long the talk may take; so much more if the peer has metadata to give, or peers.
const PATIENCE: Millis = 3000;
const PATIENCE_METADATA: Millis = 4000;
const PATIENCE_PEX: Millis = 4000;

/// Looks at a peer. `clock` tells the time.
///
/// # Errors
/// When there is nobody, or he doesn't speak of this torrent.
pub fn probe(
    info_hash: &InfoHash,
    peer: SocketAddr,
    wants_pex: bool,
    clock: &dyn Fn() -> Millis,
) -> Result<Found, Failure> {
    let wants_pex = wants_pex && pex::IS_BUILT;
    let mut talk = Talk::new(*info_hash, wants_pex);
    let heard = converse(peer, &mut talk, clock);
    match (heard, talk.is_known) {
        (_, true) => Ok(Found::Probed {
            proof: talk.proof,
            peers: talk.peers,
        }),
        (Ok(()), false) if talk.is_refused => Err(Failure::Malformed),
        _ => Err(Failure::Unreachable),
    }
}

fn converse(peer: SocketAddr, talk: &mut Talk, clock: &dyn Fn() -> Millis) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&peer, CONNECT)?;
    let mut room = [0; 16 << 10];
    let begun = clock();
    while !talk.is_over() {
        let left = talk
            .patience()
            .saturating_sub(clock().saturating_sub(begun));
        if left == 0 {
            break;
        }
        let left = Duration::from_millis(left);
        stream.set_read_timeout(Some(left))?;
        stream.set_write_timeout(Some(left))?;
        stream.write_all(&std::mem::take(&mut talk.says))?;
        match stream.read(&mut room) {
            Ok(0) => break,
            Ok(len) => talk.hear(&room[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What was said so far; bytes come in pieces of any size.
struct Talk {
    info_hash: InfoHash,
    wants_pex: bool,
    /// What is to be sent.
    says: Vec<u8>,
    /// What has not been understood yet.
    bytes: Vec<u8>,
    /// Of a message that is passed over, what has yet to come.
    skip: usize,
    heard: usize,
    greeted: bool,
    is_refused: bool,
    /// Whether it has said what it offers, or that it knows no extensions.
    is_known: bool,
    /// Whether it has offered metadata.
    has_offered: bool,
    /// As what it wants to be asked for metadata, and how long these are, while they are wanted.
    offer: Option<(u8, usize)>,
    /// Those that have come.
    metadata: Vec<u8>,
    proof: Proof,
    waits_for_pex: bool,
    peers: Vec<PeerAddr>,
}

impl Talk {
    fn new(info_hash: InfoHash, wants_pex: bool) -> Talk {
        let mut talk = Talk {
            info_hash,
            wants_pex,
            says: Vec::new(),
            bytes: Vec::new(),
            skip: 0,
            heard: 0,
            greeted: false,
            is_refused: false,
            is_known: false,
            has_offered: false,
            offer: None,
            metadata: Vec::new(),
            proof: Proof::Unproven,
            waits_for_pex: false,
            peers: Vec::new(),
        };
        talk.says = talk.greeting();
        talk
    }

    /// The handshake. What we offer is said once theirs is there: aria2 doesn't look at what comes
    /// along with it until more comes.
    fn greeting(&self) -> Vec<u8> {
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, EXTENDED.1, 0, 0]);
        bytes.extend_from_slice(&self.info_hash.0);
        bytes.extend_from_slice(b"-td0001-");
        // Nothing depends on this being hard to guess.
        let random = RandomState::new().hash_one(0);
        bytes.extend(format!("{random:016x}").bytes().take(12));
        bytes
    }

    /// Whether there is nothing more to hear.
    fn is_over(&self) -> bool {
        let waits = self.waits_for_pex || self.offer.is_some();
        self.is_refused || self.heard > BYTES_MAX || self.is_known && !waits
    }

    /// How long all of it may take.
    fn patience(&self) -> Millis {
        let more = |is_so: bool, millis: Millis| if is_so { millis } else { 0 };
        let metadata = more(self.has_offered, PATIENCE_METADATA);
        PATIENCE + metadata + more(self.waits_for_pex, PATIENCE_PEX)
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
        let offer = match self.wants_pex {
            true => &b"d1:md11:ut_metadatai2e6:ut_pexi1eee"[..],
            false => b"d1:md11:ut_metadatai2eee",
        };
        if is_same {
            extended(EXTENDED_HANDSHAKE, offer, &mut self.says);
        }
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
            [MESSAGE_EXTENDED, OUR_METADATA, ref said @ ..] => self.take_piece(said),
            _ => {}
        }
        true
    }

    /// Takes in what the peer offers; an offer of metadata stands, whatever is said later.
    fn learn(&mut self, said: &[u8]) {
        if self.has_offered {
            return;
        }
        let Some((Value::Dict(dict), _)) = Value::parse(said) else {
            self.is_refused = true;
            return;
        };
        let offers = dict.value(b"m").and_then(Value::dict);
        let offers = |name: &[u8]| offers.map_or(0, |offers| number(offers, name));
        let size = number(dict, b"metadata_size") as usize;
        let kind = u8::try_from(offers(b"ut_metadata")).unwrap_or(0);
        self.is_known = true;
        if kind == 0 || size == 0 || size > METADATA_LEN_MAX {
            return;
        }
        self.has_offered = true;
        self.offer = Some((kind, size));
        self.ask(kind);
        // For a torrent that may be private nobody is asked for others.
        self.waits_for_pex = self.wants_pex && offers(b"ut_pex") > 0;
    }

    /// Asks for the next piece of the metadata.
    fn ask(&mut self, kind: u8) {
        let piece = self.metadata.len() / PIECE_LEN;
        let request = format!("d8:msg_typei0e5:piecei{piece}ee");
        extended(kind, request.as_bytes(), &mut self.says);
    }

    /// Takes in a piece of the metadata, which has to be the next, or is none at all.
    fn take_piece(&mut self, said: &[u8]) {
        let Some((kind, size)) = self.offer else {
            return;
        };
        let wanted = PIECE_LEN.min(size - self.metadata.len());
        let piece = match Value::parse(said) {
            Some((Value::Dict(dict), piece)) if number(dict, b"msg_type") == 1 => piece,
            _ => &[],
        };
        if piece.len() != wanted {
            return self.conclude(Proof::Unproven);
        }
        self.metadata.extend_from_slice(piece);
        match self.metadata.len() == size {
            true => self.conclude(proof(&self.info_hash, &self.metadata)),
            false => self.ask(kind),
        }
    }

    /// There is nothing more to be had about this.
    fn conclude(&mut self, proof: Proof) {
        self.proof = proof;
        self.offer = None;
        self.metadata = Vec::new();
        self.waits_for_pex &= proof == Proof::Public;
        if proof == Proof::Unproven {
            self.peers.clear();
        }
    }
}

/// What the metadata of a torrent say.
fn proof(info_hash: &InfoHash, metadata: &[u8]) -> Proof {
    if !fits(info_hash, metadata) {
        return Proof::Unproven;
    }
    let Some((Value::Dict(info), [])) = Value::parse_long(metadata) else {
        return Proof::Unproven;
    };
    match info.value(b"private") {
        None | Some(Value::Int(0)) => Proof::Public,
        Some(_) => Proof::Unproven,
    }
}

/// Whether metadata are what a torrent goes by: of the first version (BEP 3), or of the second,
/// whose longer hash trackers are told the beginning of (BEP 52).
fn fits(info_hash: &InfoHash, metadata: &[u8]) -> bool {
    let first = || sha1_smol::Sha1::from(metadata).digest().bytes();
    let second = || Sha256::digest(metadata);
    first() == info_hash.0 || second().starts_with(&info_hash.0)
}

/// Puts a message of an extension behind others.
fn extended(kind: u8, said: &[u8], out: &mut Vec<u8>) {
    let len = said.len() as u32 + 2;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&[MESSAGE_EXTENDED, kind]);
    out.extend_from_slice(said);
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

    /// Of a torrent whose metadata nobody has.
    const HASH: InfoHash = InfoHash([7; 20]);
    /// What clients were seen to offer: with metadata, for a private torrent, for a magnet link
    /// whose metadata has not come yet.
    const OFFER: &str = "d1:md11:ut_metadatai9e6:ut_pexi1ee13:metadata_sizei";
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
        // As the one who speaks calls the torrent.
        let hash = said
            .get(28..48)
            .map_or(HASH.0, |hash| hash.try_into().unwrap());
        heard_of(InfoHash(hash), said, piece)
    }

    fn heard_of(hash: InfoHash, said: &[u8], piece: usize) -> Talk {
        let mut talk = Talk::new(hash, true);
        said.chunks(piece).for_each(|piece| talk.hear(piece));
        talk
    }

    fn offer(size: usize) -> Vec<u8> {
        format!("{OFFER}{size}ee").into_bytes()
    }

    fn hash(metadata: &[u8]) -> InfoHash {
        InfoHash(sha1_smol::Sha1::from(metadata).digest().bytes())
    }

    fn metadata(mark: &str) -> Vec<u8> {
        let pieces = "x".repeat(40_000);
        format!("d6:lengthi9e4:name1:a6:pieces40000:{pieces}{mark}e").into_bytes()
    }

    /// The handshakes of a client, a bitfield, as it mostly comes, and all pieces of its metadata.
    fn told(offer: &[u8], metadata: &[u8]) -> Vec<u8> {
        told_of(hash(metadata), offer, metadata)
    }

    fn told_of(hash: InfoHash, offer: &[u8], metadata: &[u8]) -> Vec<u8> {
        let mut said = [
            greeting(hash, 0x10),
            message(&[5], &[0xff; 50_000]),
            message(&[20, 0], offer),
        ]
        .concat();
        for (at, piece) in metadata.chunks(PIECE_LEN).enumerate() {
            let head = format!("d8:msg_typei1e5:piecei{at}e10:total_sizei1ee");
            said.extend(message(
                &[20, OUR_METADATA],
                &[head.as_bytes(), piece].concat(),
            ));
        }
        said
    }

    #[test]
    fn only_metadata_without_the_mark_prove_anything() {
        for piece in [11, 1000, 100_000] {
            for (mark, proof) in [
                ("", Proof::Public),
                ("7:privatei0e", Proof::Public),
                ("7:privatei1e", Proof::Unproven),
                ("7:privatei2e", Proof::Unproven),
                ("7:private1:1", Proof::Unproven),
            ] {
                let metadata = metadata(mark);
                let talk = heard(&told(&offer(metadata.len()), &metadata), piece);
                assert_eq!((talk.is_known, talk.proof), (true, proof), "{mark}");
                let requests = talk.says.windows(14).filter(|w| w == b"8:msg_typei0e5");
                assert_eq!(requests.count(), 3);
            }
        }
    }

    #[test]
    fn metadata_prove_something_of_their_own_torrent_only() {
        let metadata = metadata("");
        let second: [u8; 20] = Sha256::digest(&metadata)[..20].try_into().unwrap();
        for (hash, proof) in [
            (hash(&metadata), Proof::Public),
            (InfoHash(second), Proof::Public),
            (HASH, Proof::Unproven),
        ] {
            let talk = heard(&told_of(hash, &offer(metadata.len()), &metadata), 5000);
            assert_eq!((talk.offer, talk.proof), (None, proof));
        }
    }

    #[test]
    fn an_offer_stands() {
        let metadata = metadata("");
        let told = told(&offer(metadata.len()), &metadata);
        // Another one comes after the first piece, or in the end, while peers are waited for.
        for other in [5, PIECE_LEN, METADATA_LEN_MAX] {
            let again = message(&[20, 0], &offer(other));
            let first = told
                .windows(2)
                .position(|two| two == [20, OUR_METADATA])
                .unwrap()
                - 4;
            let len = u32::from_be_bytes(told[first..first + 4].try_into().unwrap()) as usize;
            let (before, after) = told.split_at(first + 4 + len);
            let talk = heard(&[before, &again, after].concat(), 5000);
            assert_eq!((talk.offer, talk.proof), (None, Proof::Public));
            let late = heard(&[&told[..], &again].concat(), 700);
            assert_eq!((late.offer, late.proof), (None, Proof::Public));
        }
    }

    #[test]
    fn offers_and_halves_prove_nothing() {
        let whole = metadata("");
        for offer in [
            PRIVATE,
            MAGNET,
            b"d1:md11:ut_metadatai0ee13:metadata_sizei5ee",
            b"d1:md11:ut_metadatai2ee13:metadata_sizei0ee",
            b"d1:md11:ut_metadatai2ee13:metadata_sizei99999999ee",
            b"d1:md11:ut_metadatai256ee13:metadata_sizei5ee",
            b"d13:metadata_sizei5ee",
            &offer(whole.len() - 1),
            &offer(whole.len() + 1),
            &offer(5),
        ] {
            let talk = heard(&told(offer, &whole), 999);
            assert_eq!((talk.is_known, talk.proof), (true, Proof::Unproven));
        }
        let half = heard(&told(&offer(whole.len()), &whole[..PIECE_LEN]), 999);
        assert_eq!((half.is_over(), half.proof), (false, Proof::Unproven));
        let refusal = message(&[20, OUR_METADATA], b"d8:msg_typei2e5:piecei0ee");
        let refused = [told(&offer(whole.len()), b""), refusal].concat();
        let refused = heard(&refused, 999);
        assert_eq!((refused.is_over(), refused.proof), (true, Proof::Unproven));
    }

    #[test]
    fn others_are_told_of_by_public_torrents_only() {
        let pex = message(&[20, 1], b"d5:added6:\x0a\0\0\x01\x1a\xe1e");
        for (mark, peers) in [("", usize::from(pex::IS_BUILT)), ("7:privatei1e", 0)] {
            let metadata = metadata(mark);
            let told = told(&offer(metadata.len()), &metadata);
            // Before the metadata or after them.
            let greeted = 68 + 4 + 1 + 50_000 + message(&[20, 0], &offer(metadata.len())).len();
            let (before, after) = told.split_at(greeted);
            for said in [
                [before, &pex, after].concat(),
                [before, after, &pex].concat(),
            ] {
                assert_eq!(heard(&said, 30).peers.len(), peers);
            }
        }
        let magnet = [told(MAGNET, b""), pex].concat();
        assert_eq!(heard(&magnet, 3).peers, []);
    }

    #[test]
    fn who_speaks_of_something_else_is_not_listened_to() {
        assert!(heard_of(HASH, &greeting(InfoHash([8; 20]), 0x10), 100).is_refused);
        assert!(heard_of(HASH, &[b'x'; 68], 100).is_refused);
        let old = heard(&greeting(HASH, 0), 100);
        assert_eq!((old.is_known, old.proof), (true, Proof::Unproven));
        let endless = heard(
            &[greeting(HASH, 0x10), vec![1; BYTES_MAX + 1]].concat(),
            5000,
        );
        assert!(endless.is_over() && endless.bytes.len() <= MESSAGE_LEN_MAX + 5000);
    }

    #[test]
    fn who_says_it_bit_by_bit_is_not_waited_for() {
        let peer = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = peer.local_addr().unwrap();
        let dripping = thread::spawn(move || {
            let (mut stream, _) = peer.accept().unwrap();
            while stream.write_all(&[19]).is_ok() {}
        });
        let asked = std::cell::Cell::new(0);
        let clock = || {
            asked.set(asked.get() + 1000);
            asked.get()
        };
        let mut talk = Talk::new(HASH, false);
        // What is refused is not heard any longer anyway.
        talk.greeted = true;
        assert!(converse(addr, &mut talk, &clock).is_ok());
        assert!(asked.get() <= PATIENCE + 2000);
        dripping.join().unwrap();
    }

    #[test]
    fn a_peer_is_asked_over_tcp() {
        let peer = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = peer.local_addr().unwrap();
        let answer = thread::spawn(move || {
            let (mut stream, _) = peer.accept().unwrap();
            let metadata = metadata("");
            let mut asked = [0; HANDSHAKE_LEN];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(asked[28..48], hash(&metadata).0);
            stream.write_all(&asked).unwrap();
            let said = told(&offer(metadata.len()), &metadata);
            stream.write_all(&said[HANDSHAKE_LEN..]).unwrap();
            // Until the other one has heard enough.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let of = hash(&metadata(""));
        let found = probe(&of, addr, false, &|| 0);
        answer.join().unwrap();
        let expected = Found::Probed {
            proof: Proof::Public,
            peers: Vec::new(),
        };
        assert_eq!(found, Ok(expected));
        assert_eq!(probe(&of, addr, false, &|| 0), Err(Failure::Unreachable));
    }
}
