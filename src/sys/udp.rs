//! Datagrams in batches: many per system call, in and out.
//!
//! An [`Inbox`] receives and an [`Outbox`] sends; both keep their buffers for life. Each datagram
//! carries its [`Source`]: who sent it and which of our addresses was asked, so that on a host
//! with several addresses the reply leaves from the very address the client knows.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};

/// Longest datagram received whole, in bytes: a BEP 15 scrape of 74 hashes is 1496 bytes long, and
/// of anything longer the beginning will do.
const DATAGRAM_LEN_MAX: usize = 1500;

/// Where a datagram came from, and where a reply to it has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The sender.
    pub addr: SocketAddr,
    /// Our address it was sent to; known on wildcard sockets only.
    pub asked: Option<IpAddr>,
}

/// Receives batches of datagrams.
pub struct Inbox {
    bytes: Box<[[u8; DATAGRAM_LEN_MAX]]>,
    envelopes: Envelopes,
    received: usize,
}

impl Inbox {
    /// Room for `slots` datagrams.
    pub fn new(slots: usize) -> Inbox {
        Inbox {
            bytes: vec![[0; DATAGRAM_LEN_MAX]; slots].into(),
            envelopes: Envelopes::new(slots),
            received: 0,
        }
    }

    /// How many datagrams fit.
    pub fn slots(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what has arrived, as much as fits, without waiting; the number of datagrams.
    ///
    /// Fewer than [`slots`](Self::slots) means that the socket was found empty; an error counts as
    /// that, and is shown to `failed`.
    pub fn receive(&mut self, socket: &impl AsRawFd, failed: impl FnOnce(&io::Error)) -> usize {
        let batch = self.envelopes.ready_to_receive(&mut self.bytes);
        self.received = loop {
            match receive_some(socket.as_raw_fd(), batch) {
                Ok(received) => break received,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
                Err(error) => {
                    failed(&error);
                    break 0;
                }
            }
        };
        self.received
    }

    /// The datagrams of the last batch. One whose sender makes no sense is left out.
    pub fn datagrams(&self) -> impl Iterator<Item = (&[u8], Source)> {
        (0..self.received).filter_map(|i| {
            let len = self.envelopes.headers[i].msg_len as usize;
            let bytes = &self.bytes[i][..len.min(DATAGRAM_LEN_MAX)];
            Some((bytes, self.envelopes.source(i)?))
        })
    }
}

/// Sends batches of datagrams.
pub struct Outbox {
    bytes: Box<[Vec<u8>]>,
    envelopes: Envelopes,
    filled: usize,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams the kernel took.
    pub sent: usize,
    /// Bytes in them.
    pub bytes: usize,
    /// Datagrams given up: the socket's buffer was full, or the destination can't be reached.
    pub dropped: usize,
}

impl Outbox {
    /// Room for `slots` datagrams.
    pub fn new(slots: usize) -> Outbox {
        Outbox {
            bytes: (0..slots)
                .map(|_| Vec::with_capacity(DATAGRAM_LEN_MAX))
                .collect(),
            envelopes: Envelopes::new(slots),
            filled: 0,
        }
    }

    /// Whether the next [`reply`](Self::reply) needs a [`send`](Self::send) first.
    pub fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The replies that wait to be sent.
    pub fn waiting(&self) -> &[Vec<u8>] {
        let waiting = &self.bytes[..self.filled];
        match waiting {
            [rest @ .., last] if last.is_empty() => rest,
            all => all,
        }
    }

    /// An empty buffer for a reply to `source`; it goes out with the next [`send`](Self::send), or
    /// not at all if it is left empty.
    ///
    /// # Panics
    /// If the outbox [is full](Self::is_full).
    pub fn reply(&mut self, source: &Source) -> &mut Vec<u8> {
        if self.filled > 0 && self.bytes[self.filled - 1].is_empty() {
            self.filled -= 1;
        }
        self.envelopes.address(self.filled, source);
        let buffer = &mut self.bytes[self.filled];
        self.filled += 1;
        buffer.clear();
        buffer
    }

    /// Sends what was filled, without waiting.
    ///
    /// A destination that fails is skipped and the rest goes on; a full socket buffer gives up the
    /// rest: clients ask again, and a reply that waits is a reply too late.
    /// Errors are shown to `failed`, each with how many datagrams it cost.
    pub fn send(
        &mut self,
        socket: &impl AsRawFd,
        mut failed: impl FnMut(&io::Error, usize),
    ) -> Sent {
        let mut outcome = Sent::default();
        let filled = mem::take(&mut self.filled);
        let filled = filled - usize::from(filled > 0 && self.bytes[filled - 1].is_empty());
        let batch = self.envelopes.ready_to_send(&mut self.bytes[..filled]);
        let mut done = 0;
        while done < filled {
            match send_some(socket.as_raw_fd(), &mut batch[done..]) {
                Ok(sent) => {
                    let gone = &batch[done..done + sent];
                    outcome.bytes += gone.iter().map(|h| h.msg_len as usize).sum::<usize>();
                    outcome.sent += sent;
                    done += sent;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    failed(&error, filled - done);
                    outcome.dropped += filled - done;
                    done = filled;
                }
                Err(error) => {
                    failed(&error, 1);
                    outcome.dropped += 1;
                    done += 1;
                }
            }
        }
        outcome
    }
}

fn receive_some(socket: RawFd, batch: &mut [libc::mmsghdr]) -> io::Result<usize> {
    // SAFETY: the headers point at buffers that outlive the call; their number is the length of
    // the slice; no time-out is given.
    let received = unsafe {
        libc::recvmmsg(
            socket,
            batch.as_mut_ptr(),
            batch.len() as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// sendmmsg(2) as a raw system call: musl's function of that name is a loop of sendmsg.
fn send_some(socket: RawFd, batch: &mut [libc::mmsghdr]) -> io::Result<usize> {
    // SAFETY: the headers point at buffers that outlive the call; their number is the length of
    // the slice.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_sendmmsg,
            socket,
            batch.as_mut_ptr(),
            batch.len() as libc::c_uint,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Room for one control message, IP_PKTINFO or IPV6_PKTINFO, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

/// The kernel's view of a batch. The pointers are set before each call, never kept in between.
struct Envelopes {
    headers: Box<[libc::mmsghdr]>,
    buffers: Box<[libc::iovec]>,
    /// Long enough for both families; an IPv4 address uses the beginning.
    names: Box<[libc::sockaddr_in6]>,
    controls: Box<[Control]>,
}

// SAFETY: the pointers are set anew before each use, to buffers of the same owner.
unsafe impl Send for Envelopes {}

impl Envelopes {
    fn new(slots: usize) -> Envelopes {
        // SAFETY: plain C structures for which all zeroes are valid values.
        unsafe {
            Envelopes {
                headers: (0..slots).map(|_| mem::zeroed()).collect(),
                buffers: (0..slots).map(|_| mem::zeroed()).collect(),
                names: (0..slots).map(|_| mem::zeroed()).collect(),
                controls: vec![Control([0; 64]); slots].into(),
            }
        }
    }

    fn ready_to_receive<const N: usize>(&mut self, bytes: &mut [[u8; N]]) -> &mut [libc::mmsghdr] {
        for (i, bytes) in bytes.iter_mut().enumerate() {
            self.buffers[i].iov_base = bytes.as_mut_ptr().cast();
            self.buffers[i].iov_len = N;
            let header = &mut self.headers[i].msg_hdr;
            header.msg_name = (&raw mut self.names[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as _;
            header.msg_iov = &raw mut self.buffers[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast();
            header.msg_controllen = size_of::<Control>() as _;
        }
        &mut self.headers
    }

    fn ready_to_send(&mut self, bytes: &mut [Vec<u8>]) -> &mut [libc::mmsghdr] {
        for (i, bytes) in bytes.iter_mut().enumerate() {
            self.buffers[i].iov_base = bytes.as_mut_ptr().cast();
            self.buffers[i].iov_len = bytes.len();
            let header = &mut self.headers[i].msg_hdr;
            header.msg_name = (&raw mut self.names[i]).cast();
            header.msg_iov = &raw mut self.buffers[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast();
        }
        &mut self.headers[..bytes.len()]
    }

    /// Whom datagram `i` came from.
    fn source(&self, i: usize) -> Option<Source> {
        let name = &self.names[i];
        let addr = match libc::c_int::from(name.sin6_family) {
            libc::AF_INET => {
                // SAFETY: the kernel says that it stored an IPv4 address, which is shorter and
                // needs no stricter alignment.
                let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
                SocketAddrV4::new(ipv4(name.sin_addr), u16::from_be(name.sin_port)).into()
            }
            libc::AF_INET6 => SocketAddrV6::new(
                Ipv6Addr::from(name.sin6_addr.s6_addr),
                u16::from_be(name.sin6_port),
                name.sin6_flowinfo,
                name.sin6_scope_id,
            )
            .into(),
            _ => return None,
        };
        Some(Source {
            addr,
            asked: self.asked(i),
        })
    }

    /// Which of our addresses datagram `i` was sent to, if the kernel told.
    fn asked(&self, i: usize) -> Option<IpAddr> {
        let header = &self.headers[i].msg_hdr;
        if header.msg_controllen == 0 {
            return None;
        }
        // The header's pointers may be from before the batch moved; this one is fresh.
        let mut header = *header;
        header.msg_control = (&raw const self.controls[i]).cast_mut().cast();
        // SAFETY: the kernel filled the control buffer and `msg_controllen`, which the CMSG
        // functions keep to; data are read unaligned, in the type the message says it has.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(&header);
            while !message.is_null() {
                let data = libc::CMSG_DATA(message);
                match ((*message).cmsg_level, (*message).cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                        return Some(ipv4(info.ipi_spec_dst).into());
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                        let asked = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        return (!asked.is_multicast()).then_some(asked.into());
                    }
                    _ => message = libc::CMSG_NXTHDR(&header, message),
                }
            }
        }
        None
    }

    /// Makes `source` the destination of datagram `i`, and the address it asked the sender.
    fn address(&mut self, i: usize, source: &Source) {
        let name = &mut self.names[i];
        let len = match source.addr {
            SocketAddr::V4(addr) => {
                // SAFETY: an IPv4 address is shorter than the IPv6 one there is room for, and
                // needs no stricter alignment; every field the kernel reads is set.
                let name = unsafe { &mut *(&raw mut *name).cast::<libc::sockaddr_in>() };
                name.sin_family = libc::AF_INET as _;
                name.sin_port = addr.port().to_be();
                name.sin_addr.s_addr = u32::from_ne_bytes(addr.ip().octets());
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(addr) => {
                name.sin6_family = libc::AF_INET6 as _;
                name.sin6_port = addr.port().to_be();
                name.sin6_addr.s6_addr = addr.ip().octets();
                name.sin6_flowinfo = 0;
                name.sin6_scope_id = addr.scope_id();
                size_of::<libc::sockaddr_in6>()
            }
        };
        let control_len = match source.asked {
            None => 0,
            Some(IpAddr::V4(asked)) => {
                // SAFETY: a plain C structure for which all zeroes are a valid value.
                let mut info: libc::in_pktinfo = unsafe { mem::zeroed() };
                info.ipi_spec_dst.s_addr = u32::from_ne_bytes(asked.octets());
                self.controls[i].put(libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            Some(IpAddr::V6(asked)) => {
                // SAFETY: as above.
                let mut info: libc::in6_pktinfo = unsafe { mem::zeroed() };
                info.ipi6_addr.s6_addr = asked.octets();
                self.controls[i].put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
        };
        let header = &mut self.headers[i].msg_hdr;
        header.msg_namelen = len as _;
        header.msg_controllen = control_len as _;
    }
}

impl Control {
    /// Writes the one control message; its length in bytes.
    fn put<T>(&mut self, level: libc::c_int, kind: libc::c_int, data: T) -> usize {
        let len = size_of::<T>() as libc::c_uint;
        // SAFETY: the structures given have at most 20 bytes, for which there is room behind the
        // header; the buffer is aligned for it, and the data are written unaligned.
        unsafe {
            let mut header: libc::msghdr = mem::zeroed();
            header.msg_control = self.0.as_mut_ptr().cast();
            header.msg_controllen = self.0.len() as _;
            let message = libc::CMSG_FIRSTHDR(&header);
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = libc::CMSG_LEN(len) as _;
            libc::CMSG_DATA(message).cast::<T>().write_unaligned(data);
            libc::CMSG_SPACE(len) as usize
        }
    }
}

fn ipv4(addr: libc::in_addr) -> Ipv4Addr {
    Ipv4Addr::from(addr.s_addr.to_ne_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;
    use crate::sys::socket;

    fn client(addr: &str) -> UdpSocket {
        let client = UdpSocket::bind(addr).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        client
    }

    /// Loopback delivers before `send` returns, so what was sent is there to be received.
    fn echo(server: &UdpSocket, inbox: &mut Inbox, outbox: &mut Outbox) -> Sent {
        inbox.receive(server, |_| ());
        for (bytes, source) in inbox.datagrams() {
            outbox.reply(&source).extend_from_slice(bytes);
        }
        outbox.send(server, |_, _| ())
    }

    #[test]
    fn replies_leave_from_the_address_that_was_asked() {
        for (any, asked) in [
            ("0.0.0.0:0", ["127.0.0.1", "127.0.0.2", "127.1.2.3"]),
            ("[::]:0", ["::1"; 3]),
        ] {
            let server = socket::udp(any.parse().unwrap()).unwrap();
            let port = server.local_addr().unwrap().port();
            let (mut inbox, mut outbox) = (Inbox::new(4), Outbox::new(4));
            for asked in asked {
                let client = client(any);
                // Connected: anything from another address would not reach us.
                client.connect((asked, port)).unwrap();
                client.send(b"ping").unwrap();
                let sent = echo(&server, &mut inbox, &mut outbox);
                assert_eq!(
                    sent,
                    Sent {
                        sent: 1,
                        bytes: 4,
                        dropped: 0
                    }
                );
                let mut reply = [0; 8];
                assert_eq!(client.recv(&mut reply).unwrap(), 4);
            }
        }
    }

    #[test]
    fn a_specific_address_needs_no_control_message() {
        let server = socket::udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = client("127.0.0.1:0");
        client.send_to(b"x", server.local_addr().unwrap()).unwrap();
        let mut inbox = Inbox::new(2);
        assert_eq!(inbox.receive(&server, |_| ()), 1);
        let (bytes, source) = inbox.datagrams().next().unwrap();
        assert_eq!(bytes, b"x");
        assert_eq!(
            source,
            Source {
                addr: client.local_addr().unwrap(),
                asked: None
            }
        );
    }

    #[test]
    fn a_bad_destination_does_not_hold_up_the_rest() {
        let server = socket::udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = client("127.0.0.1:0");
        let good = Source {
            addr: client.local_addr().unwrap(),
            asked: None,
        };
        let bad = Source {
            addr: "127.0.0.1:0".parse().unwrap(),
            asked: None,
        };
        let mut outbox = Outbox::new(4);
        for (source, text) in [(good, "one"), (bad, "lost"), (good, ""), (good, "two")] {
            outbox.reply(&source).extend_from_slice(text.as_bytes());
        }
        assert_eq!(
            outbox.send(&server, |_, _| ()),
            Sent {
                sent: 2,
                bytes: 6,
                dropped: 1
            }
        );
        let mut reply = [0; 8];
        for text in ["one", "two"] {
            let len = client.recv(&mut reply).unwrap();
            assert_eq!(&reply[..len], text.as_bytes());
        }
        assert_eq!(outbox.send(&server, |_, _| ()), Sent::default());
    }

    #[test]
    fn batches_and_long_datagrams() {
        let server = socket::udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = client("127.0.0.1:0");
        for len in [0, 1, 1500, 1501, 65507] {
            client
                .send_to(&vec![7; len], server.local_addr().unwrap())
                .unwrap();
        }
        let mut inbox = Inbox::new(4);
        let mut lengths = Vec::new();
        while inbox.receive(&server, |_| ()) > 0 {
            lengths.extend(inbox.datagrams().map(|(bytes, _)| bytes.len()));
        }
        assert_eq!(lengths, [0, 1, 1500, 1500, 1500]);
        assert_eq!(inbox.receive(&server, |_| ()), 0);
    }
}
