//! A client that says exactly what it is told to, and reads exactly one answer at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::bencode::Value;
use super::peer::{Announce, compact};
use super::{PATIENCE, uninterrupted};

/// One connection.
pub struct Http {
    pub stream: TcpStream,
    /// Received, but not yet asked for.
    held: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// As it came, up to the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Http {
    #[track_caller]
    pub fn connect(to: SocketAddr) -> Http {
        match TcpStream::connect_timeout(&to, PATIENCE) {
            Ok(stream) => Http::over(stream),
            Err(error) => panic!("{to}: {error}"),
        }
    }

    /// From another address of this machine.
    #[track_caller]
    pub fn connect_from(ip: IpAddr, to: SocketAddr) -> Http {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
        socket.connect(&to.into()).unwrap();
        Http::over(socket.into())
    }

    /// With room for little that was not read yet.
    #[track_caller]
    pub fn connect_narrow(to: SocketAddr) -> Http {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&to.into()).unwrap();
        Http::over(socket.into())
    }

    fn over(stream: TcpStream) -> Http {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let held = Vec::new();
        Http { stream, held }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        self.send(request(target));
        self.answer()
    }

    /// Sends bytes as they are and reads one answer.
    #[track_caller]
    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes);
        self.answer()
    }

    #[track_caller]
    pub fn announce(&mut self, announce: &Announce) -> Announced {
        self.get(&announce.target()).announced()
    }

    /// No more will be sent.
    pub fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        match self.try_answer() {
            Some(answer) => answer,
            None => panic!(
                "the connection ended with {:?}",
                String::from_utf8_lossy(&self.held)
            ),
        }
    }

    /// The next answer; `None` if the connection ends, in whatever way, before it is whole.
    #[track_caller]
    pub fn try_answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, len)) = Answer::parse(&self.held) {
                self.held.drain(..len);
                return Some(answer);
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// Waits until the tracker closes, and wants nothing more to come.
    #[track_caller]
    pub fn closed(&mut self) {
        while self.read() {}
        let rest = String::from_utf8_lossy(&self.held);
        assert_eq!(rest, "", "nothing was expected before the end");
    }

    /// Whether the connection stays without a word for that long.
    pub fn stays_silent(&mut self, long: Duration) -> bool {
        let start = Instant::now();
        self.stream.set_read_timeout(Some(long)).unwrap();
        let mut byte = [0];
        let silent = matches!(uninterrupted(|| self.stream.read(&mut byte)), Err(error)
            if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        silent && start.elapsed() >= long / 2
    }

    /// `false` at the end.
    #[track_caller]
    fn read(&mut self) -> bool {
        let mut room = [0; 16 * 1024];
        match uninterrupted(|| self.stream.read(&mut room)) {
            Ok(0) => false,
            Ok(len) => {
                self.held.extend_from_slice(&room[..len]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!(
                "no answer: {error}; so far {:?}",
                String::from_utf8_lossy(&self.held)
            ),
        }
    }
}

/// The plainest request there is.
pub fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: tracker\r\n\r\n")
}

impl Answer {
    /// The first answer in these bytes and its length, if it is whole.
    pub fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(bytes[..end - 2].to_vec()).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").expect("a status line");
        let status = status[..3].parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        if answer.header("Transfer-Encoding") == Some("chunked") {
            let len = answer.take_chunks(&bytes[end..])?;
            return Some((answer, end + len));
        }
        let len: usize = answer.header("Content-Length").unwrap().parse().unwrap();
        answer.body = bytes.get(end..end + len)?.to_vec();
        Some((answer, end + len))
    }

    /// Puts a body in chunks together; how long it was with all that is between them.
    fn take_chunks(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let digits = bytes[at..].windows(2).position(|two| two == b"\r\n")?;
            let size = std::str::from_utf8(&bytes[at..at + digits]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let begin = at + digits + 2;
            let chunk = bytes.get(begin..begin + size + 2)?;
            assert_eq!(&chunk[size..], b"\r\n", "the end of a chunk");
            self.body.extend_from_slice(&chunk[..size]);
            at = begin + size + 2;
            if size == 0 {
                return Some(at);
            }
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ").unwrap();
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    #[track_caller]
    pub fn bencoded(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        Value::parse(&self.body)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn failure(&self) -> String {
        self.bencoded().text("failure reason").to_owned()
    }

    #[track_caller]
    pub fn announced(&self) -> Announced {
        let body = self.bencoded();
        Announced {
            seeders: body.int("complete"),
            leechers: body.int("incomplete"),
            completed: body.int("downloaded"),
            peers: compact(body.bytes("peers"), false),
            peers6: body
                .find("peers6")
                .map(|_| compact(body.bytes("peers6"), true)),
        }
    }
}

/// What an announce by HTTP was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    pub seeders: i64,
    pub leechers: i64,
    pub completed: i64,
    pub peers: Vec<SocketAddr>,
    pub peers6: Option<Vec<SocketAddr>>,
}
