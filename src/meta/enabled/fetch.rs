//! Trackers and lists by HTTP and HTTPS.

use std::time::Duration;

use super::guard::Guard;
use super::job::{Ask, Failure, Retry};
use super::lists;
use crate::client::answer::{Answer, words};
use crate::client::url::{Scheme, Url};
use crate::client::web::{Manners, Web};
use crate::meta::USER_AGENT;
use crate::types::{Counts, InfoHash, Scraped};
use crate::wire::answer::{self, RetryIn};
use crate::wire::query;

/// How long all of a request may take, redirects included.
const FETCH_SECS: u64 = 10;
/// Redirects that are followed.
const REDIRECTS_MAX: u32 = 2;
/// The longest answer of a tracker, and the longest list, once they are unpacked.
const ANSWER_LEN_MAX: usize = 64 << 10;
const LIST_LEN_MAX: usize = 1 << 20;

/// Asks by HTTP.
pub struct Fetch(Web);

impl Fetch {
    /// One that connects to whom the guard lets it.
    pub fn new(guard: &Guard) -> Fetch {
        let manners = Manners {
            agent: USER_AGENT,
            time_max: Duration::from_secs(FETCH_SECS),
            redirects_max: REDIRECTS_MAX,
        };
        Fetch(Web::new(manners, guard.clone()))
    }

    /// Announces to a tracker (BEP 3, 7, 23).
    ///
    /// # Errors
    /// When it says no, or nothing that can be understood.
    pub fn announce(&self, url: &Url, ask: &Ask) -> Result<Answer, Failure> {
        let mut query = Vec::new();
        let announce = query::Announce {
            info_hash: ask.info_hash,
            peer_id: Some(ask.peer_id),
            port: ask.port,
            uploaded: ask.uploaded,
            downloaded: ask.downloaded,
            left: Some(ask.left),
            event: ask.event,
            numwant: Some(ask.numwant),
            compact: true,
            no_peer_id: true,
            key: Some(ask.key),
            ip: None,
        };
        announce.emit(&mut query);
        let body = self.get(url, &url.path, &query, ANSWER_LEN_MAX)?;
        Answer::by_http(&body).ok_or_else(|| refusal(&body))
    }

    /// Asks for the counts of torrents (BEP 48).
    ///
    /// # Errors
    /// When the tracker has no place for that, says no, or nothing that can be understood.
    pub fn scrape(
        &self,
        url: &Url,
        hashes: &[InfoHash],
    ) -> Result<Vec<(InfoHash, Counts)>, Failure> {
        let path = url.scrape_path().ok_or(Failure::Unable)?;
        let mut query = Vec::new();
        query::emit_scrape(hashes, &mut query);
        let body = self.get(url, &path, &query, ANSWER_LEN_MAX)?;
        let mut files: Vec<Scraped> = Vec::new();
        if answer::Scrape::parse(&body, &mut files).is_none() {
            return Err(refusal(&body));
        }
        let known = files
            .into_iter()
            .filter_map(|(hash, counts)| Some((hash, counts?)));
        Ok(known.filter(|(hash, _)| hashes.contains(hash)).collect())
    }

    /// Fetches a list of trackers.
    ///
    /// # Errors
    /// When there is none.
    pub fn list(&self, url: &str) -> Result<Vec<Url>, Failure> {
        let url = Url::parse(url).filter(|url| url.scheme != Scheme::Udp);
        let url = url.ok_or(Failure::Malformed)?;
        let text = self.get(&url, &url.path, b"", LIST_LEN_MAX)?;
        match lists::parse(&text) {
            urls if urls.is_empty() => Err(Failure::Malformed),
            urls => Ok(urls),
        }
    }

    /// The body of what is at a path of that host, which may be no longer than `len_max`.
    fn get(&self, url: &Url, path: &str, query: &[u8], len_max: usize) -> Result<Vec<u8>, Failure> {
        let page = self.0.get(url, path, query, len_max);
        match page.map_err(|error| failure(*error))? {
            // Some trackers refuse with another status than 200, in words that can be read.
            page if page.status != 200 => Err(refusal(&page.body)),
            page => Ok(page.body),
        }
    }
}

/// A refusal in words, if it is one.
fn refusal(body: &[u8]) -> Failure {
    let Some(failure) = answer::Failure::parse(body) else {
        return Failure::Malformed;
    };
    let retry = failure.retry_in.map(|retry| match retry {
        RetryIn::Minutes(minutes) => Retry::After(minutes.saturating_mul(60)),
        RetryIn::Never => Retry::Never,
    });
    Failure::Refused(words(failure.reason), retry)
}

fn failure(error: ureq::Error) -> Failure {
    use ureq::Error as E;
    match error {
        E::Other(why) if why.to_string() == super::guard::OWN => {
            Failure::Forbidden(super::guard::OWN)
        }
        E::Other(_) => Failure::Forbidden(super::guard::PRIVATE),
        E::Timeout(_) | E::Io(_) | E::HostNotFound | E::ConnectionFailed | E::Tls(_) => {
            Failure::Unreachable
        }
        _ => Failure::Malformed,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::types::{Event, PeerAddr};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    const HASH: InfoHash = InfoHash([0xe4; 20]);

    /// A tracker that gives these answers, one a connection; what it was asked.
    fn serve(answers: Vec<Vec<u8>>) -> (Url, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = thread::spawn(move || {
            let answer = |answer: Vec<u8>| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    asked.push(byte[0]);
                }
                // Who has enough hangs up.
                let _ = stream.write_all(&answer);
                String::from_utf8(asked).unwrap()
            };
            answers.into_iter().map(answer).collect()
        });
        let url = format!("http://127.0.0.1:{port}/announce?x=1");
        (Url::parse(&url).unwrap(), served)
    }

    fn ok(body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    fn fetch() -> Fetch {
        Fetch::new(&Guard::new(Vec::new(), true))
    }

    fn announced(answer: Vec<u8>) -> Result<Answer, Failure> {
        let (url, served) = serve(vec![answer]);
        let ask = Ask {
            info_hash: HASH,
            peer_id: *b"-TR3000-0123456789ab",
            port: 6881,
            uploaded: 0,
            downloaded: 0,
            left: 7,
            event: Event::Started,
            key: 0xabcd,
            numwant: 50,
        };
        let answer = fetch().announce(&url, &ask);
        let asked = served.join().unwrap().remove(0);
        let line = "GET /announce?x=1&info_hash=%E4%E4";
        assert!(asked.starts_with(line), "{asked}");
        for part in [
            "&compact=1",
            "&no_peer_id=1",
            "&event=started",
            "&left=7",
            "&numwant=50",
        ] {
            assert!(asked.contains(part), "{part} {asked}");
        }
        assert!(asked.to_lowercase().contains("user-agent: trackerd-meta/"));
        answer
    }

    #[test]
    fn answers_of_every_kind_are_understood() {
        let compact =
            b"d8:completei3e10:incompletei4e8:intervali1800e5:peers6:\x01\x02\x03\x04\x1a\xe1e";
        let len = format!("{:x}\r\n", compact.len());
        let chunked = [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            len.as_bytes(),
            &compact[..],
            b"\r\n0\r\n\r\n",
        ];
        let listed = b"d8:intervali900e5:peersld2:ip7:1.2.3.44:porti6881eeee";
        let peer = PeerAddr::new([1, 2, 3, 4].into(), 6881);
        for (answer, interval) in [
            (ok(compact), 1800),
            (chunked.concat(), 1800),
            (ok(listed), 900),
        ] {
            let answer = announced(answer).unwrap();
            assert_eq!((answer.interval, answer.peers), (interval, vec![peer]));
            assert_eq!(answer.min_interval, None);
        }
    }

    #[test]
    fn what_is_no_answer_is_a_failure() {
        let no = |text: &str| Failure::Refused(text.into(), None);
        let refused = b"d14:failure reason4:gone8:retry in2:10e";
        let missing =
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 27\r\n\r\nd14:failure reason5:wrong e";
        let ten = Failure::Refused("gone".into(), Some(Retry::After(600)));
        assert_eq!(announced(ok(refused)), Err(ten));
        assert_eq!(announced(missing[..].into()), Err(Failure::Malformed));
        let missing =
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 25\r\n\r\nd14:failure reason4:noo!e";
        assert_eq!(announced(missing[..].into()), Err(no("noo!")));
        for nonsense in [&b""[..], b"<html>", b"d5:peers", b"de", b"i1e"] {
            assert_eq!(announced(ok(nonsense)), Err(Failure::Malformed));
        }
        let long = [b"d8:intervali9e5:peers70002:", &[1; 70_002][..], b"e"].concat();
        assert_eq!(announced(ok(&long)), Err(Failure::Malformed));
        assert_eq!(announced(Vec::new()), Err(Failure::Unreachable));
    }

    #[test]
    fn redirects_go_where_requests_may_go() {
        let to = |url: &str| format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\n\r\n").into_bytes();
        let (list, served) = serve(vec![ok(b"udp://a.example:1\n")]);
        let (url, first) = serve(vec![to(&list.to_string())]);
        let urls = fetch().list(&url.to_string()).unwrap();
        assert_eq!(urls[0].to_string(), "udp://a.example:1");
        first.join().unwrap();
        served.join().unwrap();
        let (url, served) = serve(vec![to("/a"), to("/b"), to("/c")]);
        assert_eq!(fetch().list(&url.to_string()), Err(Failure::Malformed));
        served.join().unwrap();
        let strict = Fetch::new(&Guard::new(Vec::new(), false));
        let found = strict.list("http://127.0.0.1:1/list");
        assert_eq!(found, Err(Failure::Forbidden(super::super::guard::PRIVATE)));
    }

    #[test]
    fn scrapes_tell_what_was_asked() {
        let body = [
            &b"d5:filesd20:"[..],
            &HASH.0,
            b"d8:completei2e10:incompletei5eeee",
        ]
        .concat();
        let (url, served) = serve(vec![ok(&body)]);
        let counts = fetch().scrape(&url, &[HASH]).unwrap();
        assert_eq!((counts[0].0, counts[0].1.leechers), (HASH, 5));
        assert!(served.join().unwrap()[0].starts_with("GET /scrape?x=1&info_hash=%E4"));
    }
}
