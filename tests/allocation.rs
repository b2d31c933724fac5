//! In the long run an announce allocates nothing, by UDP or HTTP, at home or at a neighbour's.

#![allow(clippy::unwrap_used, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use trackerd::config::{self, Command};
use trackerd::control;
use trackerd::types::{Event, InfoHash};
use trackerd::wire::udp::{Announce, Reply, Request};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TORRENTS: u8 = 16;
const PORTS: u16 = 60;
const ROUNDS: usize = 20;

/// A tracker inside this process, with two workers, so that every other torrent is a neighbour's.
fn serve() -> SocketAddr {
    // Not of those that the system gives to the sockets of other tests.
    let mut ports = (20_000..30_000)
        .cycle()
        .skip(std::process::id() as usize % 10_000);
    let addr = ports.find_map(|port| {
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let free = UdpSocket::bind(addr).is_ok() && TcpListener::bind(addr).is_ok();
        free.then_some(addr)
    });
    let addr = addr.unwrap();
    let port = addr.port().to_string();
    let args = [
        "-i",
        "127.0.0.1",
        "-p",
        &port,
        "-P",
        &port,
        "--workers",
        "2",
        "-u",
        "root",
    ];
    let Command::Run(config) = config::parse(args).unwrap() else {
        panic!("not to be run")
    };
    std::thread::spawn(move || control::run(config, Vec::new()).unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(addr).is_err() {
        assert!(Instant::now() < deadline, "the tracker does not serve");
        std::thread::yield_now();
    }
    addr
}

/// Reads once, also when a stopped and continued process interrupts it.
fn uninterrupted(mut read: impl FnMut() -> io::Result<usize>) -> usize {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.unwrap(),
        }
    }
}

/// Runs some rounds to warm up, then counts what further ones allocate.
fn allocations(mut round: impl FnMut()) -> usize {
    (0..3).for_each(|_| round());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..ROUNDS).for_each(|_| round());
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

fn udp_rounds(addr: SocketAddr) -> usize {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(addr).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut request = Vec::with_capacity(2048);
    let mut reply = [0; 2048];
    Request::Connect { transaction: 1 }.emit(&mut request);
    socket.send(&request).unwrap();
    let len = uninterrupted(|| socket.recv(&mut reply));
    let Some(Reply::Connect { connection, .. }) = Reply::parse(&reply[..len]) else {
        panic!()
    };
    allocations(|| {
        for torrent in 0..TORRENTS {
            for port in 1..=PORTS {
                let announce = Announce {
                    connection,
                    transaction: port.into(),
                    info_hash: InfoHash([torrent.wrapping_mul(0x35); 20]),
                    peer_id: [7; 20],
                    downloaded: 0,
                    left: u64::from(port % 2),
                    uploaded: 0,
                    event: Event::None,
                    ip: [0; 4],
                    key: 0,
                    numwant: Some(30),
                    port,
                    options: &[],
                };
                request.clear();
                Request::Announce(announce).emit(&mut request);
                socket.send(&request).unwrap();
                assert!(uninterrupted(|| socket.recv(&mut reply)) >= 20);
            }
        }
    })
}

fn http_rounds(addr: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut request = Vec::with_capacity(2048);
    let mut reply = [0; 4096];
    allocations(|| {
        for torrent in b'a'..b'a' + TORRENTS {
            for port in 1..=PORTS {
                request.clear();
                request.extend_from_slice(b"GET /announce?info_hash=");
                request.extend_from_slice(&[torrent; 20]);
                let port = [b'1', b'0' + (port / 10) as u8, b'0' + (port % 10) as u8];
                request.extend_from_slice(b"&left=1&compact=1&numwant=50&port=");
                request.extend_from_slice(&port);
                request.extend_from_slice(b" HTTP/1.1\r\nHost: x\r\n\r\n");
                stream.write_all(&request).unwrap();
                let len = uninterrupted(|| stream.read(&mut reply));
                assert!(reply[..len].starts_with(b"HTTP/1.1 200 OK"));
                assert_eq!(reply[len - 1], b'e');
            }
        }
    })
}

#[test]
fn announces_allocate_nothing() {
    let addr = serve();
    assert_eq!(udp_rounds(addr), 0, "by UDP");
    assert_eq!(http_rounds(addr), 0, "by HTTP");
}
