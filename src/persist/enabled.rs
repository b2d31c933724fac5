//! Snapshots written and read, with their sums: CRC-32 as in gzip.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use crc32fast::Hasher;

use super::{Census, Failure};
use crate::types::{Kept, Seconds};
use crate::wire::snapshot::{self, END_LEN, Flaw, Frame, HEAD_LEN, LENGTH_LEN, SUM_LEN};

/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// The snapshots of this build.
#[derive(Clone, Copy, Debug)]
pub struct Persist(());

/// What there is only with the room.
pub type Present<T> = T;

impl Persist {
    /// There are some.
    pub fn new() -> Option<Persist> {
        Some(Persist(()))
    }

    /// What there is only with the room.
    pub fn brings<T>(self, it: T) -> Present<T> {
        it
    }

    /// Begins a snapshot at this time of day.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write<W: Write>(self, written: u64, to: W) -> io::Result<Writing<W>> {
        let mut writing = Writing {
            to,
            whole: Hasher::new(),
            census: Census::default(),
        };
        let mut head = Vec::with_capacity(HEAD_LEN);
        snapshot::emit_head(written, &mut head);
        seal(&mut head);
        writing.put(&head)?;
        Ok(writing)
    }

    /// Begins a frame in an empty buffer, so many seconds after the snapshot was begun.
    pub fn begin(self, taken: Seconds, frame: &mut Vec<u8>) {
        snapshot::begin_frame(taken, frame);
    }

    /// Appends a torrent or a peer to a frame.
    pub fn note(self, kept: &Kept, frame: &mut Vec<u8>) {
        snapshot::emit(kept, frame);
    }

    /// Reads a snapshot twice: first to see whether it is whole, then to show what is in it, with
    /// when the snapshot was begun and how many seconds later this was taken.
    ///
    /// # Errors
    /// When it is not whole, and nothing was shown; or when the second time it can't be read as the
    /// first time, and what was shown must be forgotten.
    pub fn read<R: Read + Seek>(
        self,
        mut from: R,
        mut show: impl FnMut(u64, Seconds, &Kept),
    ) -> Result<Census, Failure> {
        from.seek(SeekFrom::Start(0))?;
        let census = pass(&mut from, |_, _, _| ())?;
        from.seek(SeekFrom::Start(0))?;
        let again = pass(&mut from, &mut show)?;
        match again == census {
            true => Ok(census),
            false => Err(Flaw::Damaged.into()),
        }
    }
}

/// A snapshot under way.
pub struct Writing<W> {
    to: W,
    /// The sum of all that was written.
    whole: Hasher,
    census: Census,
}

impl<W: Write> Writing<W> {
    /// Writes the frame that is all of this buffer, and what there is in it; one that has nothing
    /// is left out.
    ///
    /// # Errors
    /// Those of writing.
    pub fn frame(&mut self, frame: &mut Vec<u8>, census: Census) -> io::Result<()> {
        if census == Census::default() {
            return Ok(());
        }
        snapshot::end_frame(frame);
        seal(frame);
        self.census.torrents += census.torrents;
        self.census.peers += census.peers;
        self.put(frame)
    }

    /// Writes the end; where it was written to, and what there was.
    ///
    /// # Errors
    /// Those of writing.
    pub fn end(mut self) -> io::Result<(W, Census)> {
        let Census { torrents, peers } = self.census;
        let mut end = Vec::with_capacity(LENGTH_LEN + END_LEN);
        snapshot::emit_end(torrents, peers, &mut end);
        seal(&mut end);
        self.put(&end)?;
        let whole = self.whole.clone().finalize();
        self.to.write_all(&whole.to_be_bytes())?;
        Ok((self.to, self.census))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.whole.update(bytes);
        self.to.write_all(bytes)
    }
}

/// Appends the sum of all there is.
fn seal(part: &mut Vec<u8>) {
    let sum = crc32fast::hash(part);
    part.extend_from_slice(&sum.to_be_bytes());
}

/// Looks at everything once.
fn pass(
    from: &mut impl Read,
    mut show: impl FnMut(u64, Seconds, &Kept),
) -> Result<Census, Failure> {
    let mut source = Source {
        from: BufReader::with_capacity(READ_BYTES, from),
        whole: Hasher::new(),
        part: Vec::new(),
    };
    let written = head(&mut source)?;
    let mut census = Census::default();
    loop {
        source.part.clear();
        source.append(LENGTH_LEN)?;
        let length = source.part.first_chunk().copied().unwrap_or_default();
        let len = u32::from_be_bytes(length) as usize;
        if len == 0 {
            return end(&mut source, census);
        }
        if len > snapshot::FRAME_LEN_MAX {
            return Err(Flaw::Damaged.into());
        }
        source.append(len)?;
        source.check()?;
        let frame = Frame::parse(&source.part[LENGTH_LEN..LENGTH_LEN + len])?;
        for kept in frame.items() {
            let kept = kept?;
            match &kept {
                Kept::Torrent(_) => census.torrents += 1,
                Kept::Peer(_) => census.peers += 1,
            }
            show(written, frame.taken, &kept);
        }
    }
}

fn head(source: &mut Source<impl Read>) -> Result<u64, Failure> {
    source.append(HEAD_LEN - SUM_LEN).map_err(|error| {
        // What is so short that it has no head was never a snapshot.
        match Failure::from(error) {
            Failure::Flaw(_) => Failure::Flaw(Flaw::Foreign),
            other => other,
        }
    })?;
    let bytes = source.part.first_chunk().ok_or(Flaw::Damaged)?;
    let written = snapshot::parse_head(bytes)?;
    source.check()?;
    Ok(written)
}

fn end(source: &mut Source<impl Read>, census: Census) -> Result<Census, Failure> {
    source.append(END_LEN - 2 * SUM_LEN)?;
    let said = source.part[LENGTH_LEN..].first_chunk();
    let (torrents, peers) = snapshot::parse_end(said.ok_or(Flaw::Damaged)?);
    source.check()?;
    let whole = source.whole.clone().finalize();
    let mut sum = [0; SUM_LEN];
    source.from.read_exact(&mut sum)?;
    let ends = source.from.read(&mut [0])? == 0;
    let is_whole = sum == whole.to_be_bytes() && census == Census { torrents, peers };
    match is_whole && ends {
        true => Ok(census),
        false => Err(Flaw::Damaged.into()),
    }
}

/// Where a snapshot is read from.
struct Source<R> {
    from: BufReader<R>,
    whole: Hasher,
    /// What was read of the present part.
    part: Vec<u8>,
}

impl<R: Read> Source<R> {
    /// Reads so much more of the part.
    fn append(&mut self, len: usize) -> io::Result<()> {
        let before = self.part.len();
        self.part.resize(before + len, 0);
        self.from.read_exact(&mut self.part[before..])
    }

    /// Reads the part's sum, and sees whether it is right.
    fn check(&mut self) -> Result<(), Failure> {
        let sum = crc32fast::hash(&self.part);
        self.append(SUM_LEN)?;
        self.whole.update(&self.part);
        match self.part.ends_with(&sum.to_be_bytes()) {
            true => Ok(()),
            false => Err(Flaw::Damaged.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::types::{InfoHash, KeptPeer, KeptTorrent, PeerAddr};
    use std::io::Cursor;

    fn torrent(first: u8) -> Kept {
        Kept::Torrent(KeptTorrent {
            info_hash: InfoHash([first; 20]),
            completed: 3,
            established: true,
            idle_secs: None,
        })
    }

    fn peer(port: u8) -> Kept {
        Kept::Peer(KeptPeer {
            addr: PeerAddr::V4([192, 0, 2, 1, 0, port]),
            id: None,
            seeder: true,
            counted: false,
            paused: false,
            left_secs: 100,
        })
    }

    /// Two frames, and one that is left out.
    fn snapshot() -> Vec<u8> {
        let persist = Persist::new().unwrap();
        let mut writing = persist.write(1_000_000, Vec::new()).unwrap();
        for (taken, first) in [(0, 1), (5, 2)] {
            let mut frame = Vec::new();
            persist.begin(taken, &mut frame);
            [torrent(first), peer(first)]
                .iter()
                .for_each(|kept| persist.note(kept, &mut frame));
            let census = Census {
                torrents: 1,
                peers: 1,
            };
            writing.frame(&mut frame, census).unwrap();
        }
        let mut empty = Vec::new();
        persist.begin(6, &mut empty);
        writing.frame(&mut empty, Census::default()).unwrap();
        writing.end().unwrap().0
    }

    type Shown = Vec<(u64, Seconds, Kept)>;

    fn read(bytes: &[u8]) -> (Result<Census, Failure>, Shown) {
        let mut seen = Vec::new();
        let persist = Persist::new().unwrap();
        let read = persist.read(Cursor::new(bytes), |written, taken, kept| {
            seen.push((written, taken, *kept));
        });
        (read, seen)
    }

    #[test]
    fn what_is_written_is_read() {
        let (census, seen) = read(&snapshot());
        let all = [(0, 1), (5, 2)].map(|(taken, first)| {
            [
                (1_000_000, taken, torrent(first)),
                (1_000_000, taken, peer(first)),
            ]
        });
        assert_eq!(seen, all.concat());
        let two = Census {
            torrents: 2,
            peers: 2,
        };
        assert_eq!(census.unwrap(), two);
    }

    #[test]
    fn whatever_is_damaged_shows_nothing() {
        let whole = snapshot();
        for at in 0..whole.len() {
            let (result, seen) = read(&whole[..at]);
            assert!(matches!(result, Err(Failure::Flaw(_))), "cut at {at}");
            assert!(seen.is_empty());
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let (result, seen) = read(&bytes);
                assert!(matches!(result, Err(Failure::Flaw(_))), "bit {bit} of {at}");
                assert!(seen.is_empty());
            }
        }
        let (result, seen) = read(&[whole, vec![0]].concat());
        assert!(result.is_err() && seen.is_empty(), "something follows");
    }

    #[test]
    fn frames_out_of_place_are_noticed() {
        let whole = snapshot();
        // The frames are equally long: 4 + 4 + 25 + 10 + 4 bytes.
        let (head, rest) = whole.split_at(HEAD_LEN);
        let (first, rest) = rest.split_at(47);
        let (second, end) = rest.split_at(47);
        for parts in [[head, second, first, end], [head, first, first, end]] {
            let (result, seen) = read(&parts.concat());
            assert!(result.is_err() && seen.is_empty());
        }
    }

    /// Version 1, byte by byte: what was written once must be read for ever.
    #[test]
    fn the_format_is_what_it_was() {
        let hex: String = snapshot()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, GOLDEN);
    }

    const GOLDEN: &str = "\
        8954534e41500d0a0000000100000000000f424062ee2aa000000027000000004001010101010101\
        0101010101010101010101010100000003a0000064c000020100019637e431000000270000000540\
        020202020202020202020202020202020202020200000003a0000064c00002010002382a59890000\
        000000000000000000020000000000000002cf2dd22704f64229";
}
