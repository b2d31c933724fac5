//! gzip by flate2.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Lists of torrents are half info-hashes, which nothing makes smaller, and half repetition, which
/// even the quickest way finds: level 7, opentracker's, saves 2 % more and takes thrice the time.
const LEVEL: u32 = 1;

/// Room made for output at a time.
const ROOM: usize = 8 * 1024;

/// What flate2 holds for a stream.
const HELD_BYTES: usize = 320 << 10;

/// The fixed head of a stream: deflate, no name, no time, system unknown.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A stream under way.
pub struct Gzip {
    deflate: Compress,
    check: Crc,
    begun: bool,
}

impl Gzip {
    /// A new stream; `None` in a build that can't compress.
    pub fn begin() -> Option<Gzip> {
        Some(Gzip {
            deflate: Compress::new(Compression::new(LEVEL), false),
            check: Crc::new(),
            begun: false,
        })
    }

    /// How many bytes the stream holds.
    pub fn held_bytes(&self) -> usize {
        HELD_BYTES
    }

    /// Compresses `bytes`, and appends to `out` what is ready.
    pub fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.check.update(bytes);
        self.run(bytes, FlushCompress::None, out);
    }

    /// Appends the rest.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.run(&[], FlushCompress::Finish, out);
        out.extend_from_slice(&self.check.sum().to_le_bytes());
        out.extend_from_slice(&self.check.amount().to_le_bytes());
    }

    fn run(&mut self, mut bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        if !self.begun {
            self.begun = true;
            out.extend_from_slice(&HEAD);
        }
        loop {
            out.reserve(ROOM);
            let before = self.deflate.total_in();
            let status = self.deflate.compress_vec(bytes, out, flush);
            let taken = (self.deflate.total_in() - before) as usize;
            bytes = &bytes[taken..];
            let is_done = match flush {
                FlushCompress::Finish => matches!(status, Ok(Status::StreamEnd)),
                _ => bytes.is_empty(),
            };
            // It fails only when used after its end.
            if is_done || status.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn streams_are_gzip() {
        for (piece, pieces) in [
            (0_u32, 0_u32),
            (10, 1),
            (100_000, 1),
            (16_384, 40),
            (1, 3000),
        ] {
            let mut gzip = Gzip::begin().unwrap();
            let (mut plain, mut out) = (Vec::new(), Vec::new());
            for n in 0..pieces {
                let bytes: Vec<u8> = (0..piece)
                    .map(|i| (i.wrapping_mul(i) % 251 + n) as u8)
                    .collect();
                gzip.write(&bytes, &mut out);
                plain.extend(bytes);
            }
            gzip.end(&mut out);
            let mut read = Vec::new();
            let mut reader = flate2::read::GzDecoder::new(&out[..]);
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(read, plain);
        }
    }
}
