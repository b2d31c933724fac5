//! Requests kept as they came, for `/stats?mode=fulllog`: opentracker's `WANT_FULLLOG_NETWORKS`.

use std::io::Write;
use std::mem;
use std::net::IpAddr;

use crate::access::Nets;
use crate::sys::clock;

/// Bytes that one worker keeps; what comes when they are full is not kept.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// The requests of some networks since somebody last read them.
#[derive(Debug, Default)]
pub struct Requests(Vec<u8>);

impl Requests {
    /// Keeps a request, if it is of one of `nets`.
    pub fn keep(&mut self, nets: &Nets, from: IpAddr, request: &[u8]) {
        if !nets.contains(from) || self.0.len() + request.len() > KEPT_BYTES_MAX {
            return;
        }
        // Writing to a vector can't fail.
        let _ = writeln!(self.0, "{}: {from}", clock::wall());
        self.0.extend_from_slice(request);
        self.0.extend_from_slice(b"\n*\n\n");
    }

    /// What was kept, which is forgotten here.
    pub fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.0)
    }
}
