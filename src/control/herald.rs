//! The herald: writes lines of status and of completed downloads to the standard output, on a
//! thread of its own, since whoever reads them may be slow.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use crate::control::journal::{Privacy, privacy};
use crate::net::{Bulletin, News, Terms};
use crate::types::{Announce, date};

/// Whether he is there; he comes when there is first something to write.
#[derive(Default)]
pub struct Herald(bool);

impl Herald {
    /// Comes if by these terms there are news for him.
    ///
    /// # Errors
    /// When there can't be a thread for him.
    pub fn heed(&mut self, terms: &Terms, bulletin: &Arc<Bulletin>) -> io::Result<()> {
        if self.0 || terms.status == "off" && !terms.log_completed {
            return Ok(());
        }
        let bulletin = Arc::clone(bulletin);
        let thread = thread::Builder::new().name("herald".into());
        thread.spawn(move || -> ! {
            loop {
                let line = line(bulletin.take());
                let mut out = io::stdout().lock();
                // Who doesn't listen any more is no reason not to serve.
                let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
            }
        })?;
        self.0 = true;
        Ok(())
    }
}

fn line(news: News) -> String {
    match news {
        News::Status(line) => line,
        News::Completed(wall, announce) => completed(wall, &announce, privacy()),
    }
}

/// That a download was completed, in the words of opentracker's `WANT_SYSLOGS`.
fn completed(wall: u64, announce: &Announce, privacy: Privacy) -> String {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02X}")).collect() };
    let peer_id = announce.peer_id.map(|id| format!(" peer_id={}", hex(&id)));
    let ip = privacy.show(announce.peer.ip());
    let ip = ip.map(|ip| format!(" ip={ip}"));
    format!(
        "time={} event=completed info_hash={}{}{}\n",
        date(wall),
        announce.info_hash,
        peer_id.unwrap_or_default(),
        ip.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Event, InfoHash, PeerAddr, Want};

    #[test]
    fn a_completed_download_is_a_line() {
        let announce = Announce {
            info_hash: InfoHash([0xab; 20]),
            peer: PeerAddr::new([192, 0, 2, 7].into(), 6881),
            peer_id: Some(*b"-XX0001-000000000000"),
            event: Event::Completed,
            seeder: true,
            want: Want {
                numwant: 0,
                both: false,
                ids: false,
            },
            keep_secs: 60,
        };
        let hash = "AB".repeat(20);
        let id = format!("2D5858303030312D{}", "30".repeat(12));
        let begin = "time=1970-01-02T00:00:00Z event=completed";
        assert_eq!(
            completed(86_400, &announce, Privacy::Full),
            format!("{begin} info_hash={hash} peer_id={id} ip=192.0.2.7\n")
        );
        let bare = Announce {
            peer_id: None,
            ..announce
        };
        assert_eq!(
            completed(86_400, &bare, Privacy::None),
            format!("{begin} info_hash={hash}\n")
        );
    }
}
