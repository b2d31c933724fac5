//! A responder that does nothing but receive and send: the floor that the kernel dictates.
//!
//! `bench-null udp|http|close ADDR:PORT [LEN]`: BEP 15 with 30 peers in each announce reply; HTTP
//! with keep-alive; HTTP with one request per connection. An HTTP answer is LEN bytes long.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;

use trackerd_bench::kernel::{self, Batch, Epoll};

const USAGE: &str = "usage: bench-null udp|http|close ADDR:PORT [LEN]";

/// Datagrams per system call.
const BATCH: usize = 32;
/// Length of a connect reply.
const CONNECT_LEN: usize = 16;
/// Length of an announce reply with 30 peers.
const ANNOUNCE_LEN: usize = 20 + 6 * 30;
/// Length of a scrape reply of one torrent.
const SCRAPE_LEN: usize = 20;

/// The most pipelined requests that are answered by one write.
const PIPELINED_MAX: usize = 64;

fn main() -> ExitCode {
    match obey() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn obey() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["udp", addr] => serve_udp(addr.parse()?),
        ["http", addr, len] => serve_http(addr.parse()?, &answer(len.parse()?)),
        ["close", addr, len] => serve_close(addr.parse()?, &answer(len.parse()?)),
        _ => Err(USAGE.into()),
    }
}

fn serve_udp(addr: SocketAddr) -> Result<(), Box<dyn Error>> {
    let socket = kernel::bind_udp(addr)?;
    let mut epoll = Epoll::new()?;
    epoll.add(socket.as_raw_fd())?;
    let (mut inbox, mut outbox) = (Batch::new(BATCH), Batch::new(BATCH));
    eprintln!("ready: {addr}");
    loop {
        drop(epoll.wait());
        loop {
            let received = inbox.receive(&socket, true);
            let mut filled = 0;
            for i in 0..received {
                let datagram = inbox.datagram(i);
                let Some((request, transaction)) = head(datagram) else {
                    continue;
                };
                let len = match request {
                    0 => CONNECT_LEN,
                    1 => ANNOUNCE_LEN,
                    _ => SCRAPE_LEN,
                };
                let reply = outbox.buffer(filled);
                reply[..4].copy_from_slice(&request.to_be_bytes());
                reply[4..8].copy_from_slice(&transaction);
                outbox.seal_reply(filled, len, &inbox, i);
                filled += 1;
            }
            outbox.send(&socket, filled);
            if received < BATCH {
                break;
            }
        }
    }
}

/// The action and the transaction of a request.
fn head(datagram: &[u8]) -> Option<(u32, [u8; 4])> {
    let (action, rest) = datagram.get(8..)?.split_first_chunk()?;
    Some((u32::from_be_bytes(*action), *rest.first_chunk()?))
}

fn serve_http(addr: SocketAddr, answer: &[u8]) -> Result<(), Box<dyn Error>> {
    let listener = kernel::listen(addr, false)?;
    let mut epoll = Epoll::new()?;
    epoll.add(listener.as_raw_fd())?;
    let answers = answer.repeat(PIPELINED_MAX);
    let mut buffer = vec![0; 16 << 10];
    let mut connections = HashMap::new();
    let mut ready = Vec::new();
    eprintln!("ready: {addr}");
    loop {
        ready.extend(epoll.wait());
        for fd in ready.drain(..) {
            if fd == listener.as_raw_fd() {
                while let Some(connection) = kernel::accept(&listener) {
                    epoll.add(connection.as_raw_fd())?;
                    connections.insert(connection.as_raw_fd(), connection);
                }
                continue;
            }
            let Some(connection) = connections.get(&fd) else {
                continue;
            };
            let read = kernel::read(connection, &mut buffer).unwrap_or(0);
            let requests = blank_lines(&buffer[..read]).min(PIPELINED_MAX);
            let bytes = &answers[..requests * answer.len()];
            if read == 0 || kernel::write(connection, bytes).is_err() {
                connections.remove(&fd);
            }
        }
    }
}

fn serve_close(addr: SocketAddr, answer: &[u8]) -> Result<(), Box<dyn Error>> {
    let listener = kernel::listen(addr, true)?;
    let mut epoll = Epoll::new()?;
    epoll.add(listener.as_raw_fd())?;
    let mut buffer = vec![0; 16 << 10];
    let mut waiting: HashMap<_, OwnedFd> = HashMap::new();
    let mut ready = Vec::new();
    eprintln!("ready: {addr}");
    loop {
        ready.extend(epoll.wait());
        for fd in ready.drain(..) {
            if let Some(connection) = waiting.remove(&fd) {
                if kernel::read(&connection, &mut buffer).is_ok_and(|read| read > 0) {
                    let _ = kernel::write(&connection, answer);
                }
                continue;
            }
            while let Some(connection) = kernel::accept(&listener) {
                if kernel::read(&connection, &mut buffer).is_ok_and(|read| read > 0) {
                    let _ = kernel::write(&connection, answer);
                } else {
                    epoll.add(connection.as_raw_fd())?;
                    waiting.insert(connection.as_raw_fd(), connection);
                }
            }
        }
    }
}

/// An HTTP answer of this length, if that is possible.
fn answer(len: usize) -> Vec<u8> {
    let head = |body: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body}\r\n\r\n")
    };
    let body = len.saturating_sub(head(len).len());
    let mut answer = head(body).into_bytes();
    answer.resize(len.max(answer.len()), b'x');
    answer
}

fn blank_lines(bytes: &[u8]) -> usize {
    let ends = bytes.windows(4).filter(|window| window == b"\r\n\r\n");
    ends.count()
}
