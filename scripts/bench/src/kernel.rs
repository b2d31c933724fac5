//! System calls: datagrams in batches, readiness, connections, time. The only unsafe code.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_void};

/// Room for a datagram, in bytes.
pub const DATAGRAM_LEN_MAX: usize = 1500;

/// Buffers for datagrams, received or sent by one system call.
pub struct Batch {
    bytes: Box<[[u8; DATAGRAM_LEN_MAX]]>,
    names: Box<[libc::sockaddr_storage]>,
    slices: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Batch {
    /// Room for so many.
    pub fn new(slots: usize) -> Batch {
        // SAFETY: all of these are plain C structures, for which zeros are a value.
        let (name, slice, header) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Batch {
            bytes: vec![[0; DATAGRAM_LEN_MAX]; slots].into(),
            names: vec![name; slots].into(),
            slices: vec![slice; slots].into(),
            headers: vec![header; slots].into(),
        }
    }

    /// Takes what has arrived, without waiting; with whom it is from, if asked to.
    pub fn receive(&mut self, socket: &impl AsRawFd, named: bool) -> usize {
        for i in 0..self.headers.len() {
            self.point(i, DATAGRAM_LEN_MAX);
            self.name(i, named);
        }
        // SAFETY: `point` and `name` made the headers point at buffers of ours.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as _,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(received).unwrap_or(0)
    }

    /// A datagram of the last `receive`.
    pub fn datagram(&self, i: usize) -> &[u8] {
        &self.bytes[i][..self.headers[i].msg_len as usize]
    }

    /// A buffer for a datagram to send.
    pub fn buffer(&mut self, i: usize) -> &mut [u8; DATAGRAM_LEN_MAX] {
        &mut self.bytes[i]
    }

    /// Sets the length of a datagram to send to where the socket is connected to.
    pub fn seal(&mut self, i: usize, len: usize) {
        self.point(i, len);
        self.name(i, false);
    }

    /// Sets the length of a datagram to send to the sender of a received one.
    pub fn seal_reply(&mut self, i: usize, len: usize, received: &Batch, j: usize) {
        self.point(i, len);
        let header = &mut self.headers[i].msg_hdr;
        header.msg_name = (&raw const received.names[j]).cast_mut().cast();
        header.msg_namelen = received.headers[j].msg_hdr.msg_namelen;
    }

    /// Sends the first `count` datagrams, without waiting; how many the kernel took.
    ///
    /// The bare system call, for the C library's function may be a loop of single sends.
    pub fn send(&mut self, socket: &impl AsRawFd, count: usize) -> usize {
        // SAFETY: `seal` and `seal_reply` made the headers point at buffers that still exist.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_sendmmsg,
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count.min(self.headers.len()),
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).unwrap_or(0)
    }

    fn point(&mut self, i: usize, len: usize) {
        self.slices[i].iov_base = self.bytes[i].as_mut_ptr().cast();
        self.slices[i].iov_len = len;
        self.headers[i].msg_hdr.msg_iov = &mut self.slices[i];
        self.headers[i].msg_hdr.msg_iovlen = 1;
    }

    fn name(&mut self, i: usize, named: bool) {
        let header = &mut self.headers[i].msg_hdr;
        (header.msg_name, header.msg_namelen) = match named {
            true => {
                let name: *mut libc::sockaddr_storage = &mut self.names[i];
                (name.cast(), size_of::<libc::sockaddr_storage>() as _)
            }
            false => (std::ptr::null_mut(), 0),
        };
    }
}

/// A datagram socket that shares its port.
pub fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    Ok(UdpSocket::from(socket(addr, libc::SOCK_DGRAM)?))
}

/// A listener that shares its port. A deferred one gives connections out when data has come.
pub fn listen(addr: SocketAddr, deferred: bool) -> io::Result<TcpListener> {
    let fd = socket(addr, libc::SOCK_STREAM)?;
    if deferred {
        set(&fd, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 1)?;
    }
    // SAFETY: a call without pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), 1024) })?;
    Ok(TcpListener::from(fd))
}

/// The next connection, which does not wait either.
pub fn accept(listener: &TcpListener) -> Option<OwnedFd> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no address is asked for; a returned descriptor is new and ours.
    unsafe {
        let (name, len) = (std::ptr::null_mut(), std::ptr::null_mut());
        let fd = libc::accept4(listener.as_raw_fd(), name, len, flags);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
    }
}

/// Reads what is there, without waiting.
pub fn read(fd: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are those of the buffer.
    let read = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Writes as much as there is room for.
pub fn write(fd: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    let (start, len) = (bytes.as_ptr().cast(), bytes.len());
    // SAFETY: pointer and length are those of the slice.
    let written = unsafe { libc::send(fd.as_raw_fd(), start, len, libc::MSG_NOSIGNAL) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// Readiness of descriptors, each reported once per change.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// Of no descriptors yet.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: the descriptor is checked, new and ours.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(0))?) };
        let none = libc::epoll_event { events: 0, u64: 0 };
        let events = vec![none; 256];
        Ok(Epoll { fd, events })
    }

    /// Reports the descriptor by its number when there is something to read.
    pub fn add(&self, fd: RawFd) -> io::Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event {
            events,
            u64: fd as u64,
        };
        // SAFETY: the event is read during the call only.
        let added = unsafe {
            let epoll = self.fd.as_raw_fd();
            libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event)
        };
        check(added).map(drop)
    }

    /// Waits until something is ready.
    pub fn wait(&mut self) -> impl Iterator<Item = RawFd> {
        // SAFETY: pointer and length are those of the list.
        let count = unsafe {
            let len = self.events.len() as c_int;
            libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), len, -1)
        };
        let count = usize::try_from(count).unwrap_or(0);
        self.events[..count].iter().map(|event| event.u64 as RawFd)
    }
}

/// Makes short sleeps short: the usual slack is 50 µs.
pub fn sleep_precisely() {
    // SAFETY: a call without pointers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1000) };
}

fn socket(addr: SocketAddr, kind: c_int) -> io::Result<OwnedFd> {
    let domain = match addr {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    // SAFETY: the descriptor is checked, new and ours.
    let fd = unsafe {
        let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        OwnedFd::from_raw_fd(check(libc::socket(domain, kind, 0))?)
    };
    set(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    set(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    let (name, len) = name(addr);
    // SAFETY: the name is as long as is said.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), len) })?;
    Ok(fd)
}

fn name(addr: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: zeros are a value of this C structure, and it has room for either kind of name.
    unsafe {
        let mut storage: libc::sockaddr_storage = mem::zeroed();
        let to = &raw mut storage;
        let len = match addr {
            SocketAddr::V4(addr) => {
                let to: *mut libc::sockaddr_in = to.cast();
                (*to).sin_family = libc::AF_INET as _;
                (*to).sin_port = addr.port().to_be();
                (*to).sin_addr.s_addr = u32::from(*addr.ip()).to_be();
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(addr) => {
                let to: *mut libc::sockaddr_in6 = to.cast();
                (*to).sin6_family = libc::AF_INET6 as _;
                (*to).sin6_port = addr.port().to_be();
                (*to).sin6_addr.s6_addr = addr.ip().octets();
                size_of::<libc::sockaddr_in6>()
            }
        };
        (storage, len as _)
    }
}

fn set(fd: &OwnedFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let start: *const c_int = &value;
    let len = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: pointer and length are those of the value.
    let done = unsafe {
        let start = start.cast::<c_void>();
        libc::setsockopt(fd.as_raw_fd(), level, option, start, len)
    };
    check(done).map(drop)
}

fn check(result: c_int) -> io::Result<c_int> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
