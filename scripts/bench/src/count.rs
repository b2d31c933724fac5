//! What came of a run.

use crate::latency::Latencies;

/// Replies and what was wrong with them.
#[derive(Default)]
pub struct Count {
    /// Replies to announces.
    pub announces: u64,
    /// Replies to scrapes.
    pub scrapes: u64,
    /// Replies that were errors.
    pub errors: u64,
    /// Requests that were sent again, or given up.
    pub timeouts: u64,
    /// Replies to nothing, or too late.
    pub strange: u64,
    /// Length of all replies.
    pub bytes: u64,
    /// Peers in all announce replies.
    pub peers: u64,
    /// Announce replies with fewer peers than wanted.
    pub short: u64,
    /// What the first error said.
    pub error: Option<String>,
    /// From request to reply.
    pub latencies: Latencies,
}

impl Count {
    /// One line of JSON.
    pub fn json(&self, secs: f64) -> String {
        let replies = self.announces + self.scrapes;
        let per_sec = replies as f64 / secs;
        let peers_per_reply = self.peers as f64 / self.announces.max(1) as f64;
        let micros = |share| self.latencies.micros(share);
        let fields = [
            ("secs", format!("{secs:.3}")),
            ("replies", replies.to_string()),
            ("per_sec", format!("{per_sec:.0}")),
            ("announces", self.announces.to_string()),
            ("scrapes", self.scrapes.to_string()),
            ("errors", self.errors.to_string()),
            ("timeouts", self.timeouts.to_string()),
            ("strange", self.strange.to_string()),
            ("bytes", self.bytes.to_string()),
            ("peers_per_reply", format!("{peers_per_reply:.2}")),
            ("short", self.short.to_string()),
            ("p50_us", format!("{:.0}", micros(0.5))),
            ("p99_us", format!("{:.0}", micros(0.99))),
            ("p999_us", format!("{:.0}", micros(0.999))),
            ("max_us", format!("{:.0}", self.latencies.longest_micros())),
            ("error", quoted(self.error.as_deref().unwrap_or_default())),
        ];
        let fields = fields.map(|(name, value)| format!("\"{name}\": {value}"));
        format!("{{{}}}", fields.join(", "))
    }
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    format!("\"{}\"", text.replace(|c| !plain(c), " "))
}
