//! Listening sockets that the workers share.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::check;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections the kernel keeps for us until they are accepted; it caps this at `somaxconn`.
const BACKLOG: i32 = 4096;

/// How long a connection may stay silent before it is accepted without a request.
const DEFER_SECS: libc::c_int = 1;

/// What a listening address speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

impl Transport {
    fn socket(self, addr: SocketAddr) -> io::Result<Socket> {
        let (kind, protocol) = match self {
            Transport::Udp => (Type::DGRAM, Protocol::UDP),
            Transport::Tcp => (Type::STREAM, Protocol::TCP),
        };
        let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
        if addr.is_ipv6() {
            // One family per socket: a peer's family is then its socket's.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Fails if anybody else holds the address.
///
/// Sockets that share a port by SO_REUSEPORT share it with every process of the same user, so a
/// second tracker would quietly take half of the first one's packets. This bind doesn't share.
pub fn probe(transport: Transport, addr: SocketAddr) -> io::Result<()> {
    let socket = transport.socket(addr)?;
    if transport == Transport::Tcp {
        // Connections of an earlier run that linger in TIME_WAIT are no second tracker.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&addr.into())
}

/// A UDP socket, one of several on its address.
///
/// On a wildcard address the socket tells where each datagram was sent to, so that the reply can
/// leave from there.
pub fn udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Transport::Udp.socket(addr)?;
    socket.set_reuse_port(true)?;
    if addr.ip().is_unspecified() {
        let (level, option) = match addr {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        };
        set(&socket, level, option, 1)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// A UDP socket that hears what is sent to a multicast group on one interface, and sends there.
///
/// `interface` is the interface's address; what is sent leaves from it, reaches the networks of
/// the interface and no further, and doesn't come back to this host. 0.0.0.0 leaves the choice to
/// the system's routes. Every such socket hears everything, however many there are.
pub fn multicast(group: SocketAddrV4, interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Transport::Udp.socket(group.into())?;
    socket.set_reuse_address(true)?;
    // Bound to the group it hears nothing that is sent to our own addresses, and not what others
    // of this host have joined on other interfaces.
    socket.bind(&SocketAddr::from(group).into())?;
    socket.set_multicast_all_v4(false)?;
    socket.join_multicast_v4(group.ip(), &interface)?;
    socket.set_multicast_if_v4(&interface)?;
    socket.set_multicast_ttl_v4(1)?;
    socket.set_multicast_loop_v4(false)?;
    Ok(socket.into())
}

/// Sets the receive buffer of a UDP socket, in bytes; the kernel caps it at `rmem_max`.
pub fn set_receive_buffer(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    SockRef::from(socket).set_recv_buffer_size(bytes)
}

/// A TCP listener, one of several on its address.
pub fn tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Transport::Tcp.socket(addr)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Set here, inherited by every connection: an answer is one write, and it shall leave at once.
    socket.set_tcp_nodelay(true)?;
    // Most connections bring a request and go: with it already there, they are accepted, served
    // and closed in one go. Those that stay silent come all the same, this much later.
    set(
        &socket,
        libc::IPPROTO_TCP,
        libc::TCP_DEFER_ACCEPT,
        DEFER_SECS,
    )?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A listener on a socket that is a file, which nobody but its owner may open. A file that an
/// earlier process has left behind makes room.
pub fn unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket());
    if is_socket {
        match UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
            }
            Err(error) => return Err(error),
        }
    }
    // SAFETY: a call without pointers that can't fail. No other thread makes files meanwhile.
    let before = unsafe { libc::umask(0o177) };
    let listener = UnixListener::bind(path);
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    listener
}

/// Closes a socket, and says what came of it, which dropping it wouldn't.
pub fn close(socket: impl IntoRawFd) -> io::Result<()> {
    // SAFETY: the descriptor was handed over to us, and is used no more after this.
    check(unsafe { libc::close(socket.into_raw_fd()) })
}

/// Whether an `accept` failed for want of descriptors or memory: it will fail again until some are
/// given back.
pub fn is_shortage(error: &io::Error) -> bool {
    const SHORTAGES: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error
        .raw_os_error()
        .is_some_and(|number| SHORTAGES.contains(&number))
}

/// What a client that doesn't keep to the protocol has its connection closed for.
pub fn violation() -> io::Error {
    io::Error::from_raw_os_error(libc::EPROTO)
}

/// The system's number for an error.
pub fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

/// Whether the system doesn't know the address family, as one without IPv6.
pub fn is_family_unknown(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn set(
    socket: &Socket,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    check(result)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_left_behind_makes_room_and_others_do_not() {
        let dir = std::env::temp_dir().join(format!("trackerd-socket-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("socket");
        let first = unix(&path).unwrap();
        assert_eq!(unix(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        drop(unix(&path).unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        assert_eq!(unix(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn everybody_in_a_group_hears_it_on_the_interface() {
        let lo = Ipv4Addr::LOCALHOST;
        let free = UdpSocket::bind((lo, 0)).unwrap().local_addr().unwrap();
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 23, 5), free.port());
        // An emulator of processors may not know all options.
        if let Err(error) = multicast(group, lo)
            && error.raw_os_error() == Some(libc::ENOPROTOOPT)
        {
            return writeln!(io::stderr(), "SKIPPED: groups of multicast: {error}").unwrap();
        }
        let members = [(); 3].map(|()| multicast(group, lo).unwrap());
        let stranger = UdpSocket::bind((lo, 0)).unwrap();
        let mut room = [0; 100];
        for member in &members {
            assert!(
                member.multicast_ttl_v4().unwrap() == 1 && !member.multicast_loop_v4().unwrap()
            );
            member.set_nonblocking(false).unwrap();
            let patience = std::time::Duration::from_secs(20);
            member.set_read_timeout(Some(patience)).unwrap();
        }
        SockRef::from(&stranger).set_multicast_if_v4(&lo).unwrap();
        // To the port itself, which is not the group.
        stranger.send_to(b"unicast", free).unwrap();
        stranger.send_to(b"to all", group).unwrap();
        // The loopback interface brings everything back.
        members[0].send_to(b"from one", group).unwrap();
        let sources = [
            (&b"to all"[..], stranger.local_addr().unwrap()),
            (b"from one", SocketAddr::from((lo, group.port()))),
        ];
        for (member, (text, source)) in members.iter().flat_map(|m| sources.map(|s| (m, s))) {
            let (len, from) = member.recv_from(&mut room).unwrap();
            assert_eq!((&room[..len], from), (text, source));
        }
    }

    #[test]
    fn workers_share_an_address_and_strangers_are_noticed() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let any = any.parse().unwrap();
            let first = udp(any).unwrap();
            let addr = first.local_addr().unwrap();
            let _second = udp(addr).unwrap();
            assert_eq!(
                probe(Transport::Udp, addr).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
            let first = tcp(any).unwrap();
            let addr = first.local_addr().unwrap();
            let _second = tcp(addr).unwrap();
            assert_eq!(
                probe(Transport::Tcp, addr).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
        }
    }
}
