//! Sockets for every worker on every address.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};

use crate::config::Listen;
use crate::error::{Exit, Fatal};
use crate::net::Sockets;
use crate::router::Owners;
use crate::sys::socket::{self, Transport};
use crate::sys::steer;
use crate::wire::livesync;

/// How often to look for a port that is free for both UDP and TCP, when the system chooses.
const TRIES: usize = 16;

/// What was bound: the sockets of every worker, and where they listen.
pub struct Bound {
    /// One for each worker.
    pub sockets: Vec<Sockets>,
    /// The addresses, such as `udp://127.0.0.1:6969`.
    pub names: Vec<String>,
    /// The same in numbers.
    pub places: Vec<SocketAddr>,
    /// Addresses that were left out, and why.
    pub missing: Vec<Fatal>,
}

/// Binds every address for every worker.
///
/// # Errors
/// When an address is held by somebody else or can't be had; but one that nobody named by itself
/// is left out when the system lacks its family.
pub fn bind(listens: &[Listen], workers: usize) -> Result<Bound, Fatal> {
    let sockets = (0..workers).map(|_| Sockets::default()).collect();
    let mut bound = Bound {
        sockets,
        names: Vec::new(),
        places: Vec::new(),
        missing: Vec::new(),
    };
    // All of them are tried before any is bound: two of ours may overlap.
    for listen in listens {
        for transport in transports(listen) {
            match socket::probe(transport, listen.addr) {
                Err(error) if !(listen.optional && is_family_missing(&error)) => {
                    return Err(fatal(transport, listen.addr, &error));
                }
                _ => {}
            }
        }
    }
    for listen in listens {
        if let Err(error) = bound.listen(listen) {
            let transport = transports(listen).next().unwrap_or(Transport::Udp);
            let refusal = fatal(transport, listen.addr, &error);
            if !(listen.optional && is_family_missing(&error)) {
                return Err(refusal);
            }
            bound.missing.push(refusal);
        }
    }
    if bound.names.is_empty() {
        let missing = bound.missing.pop();
        return Err(missing.unwrap_or_else(|| {
            Fatal::new(Exit::Config, "listen", "there is no address to listen on")
        }));
    }
    Ok(bound)
}

impl Bound {
    /// Makes room for so many bytes of requests that wait.
    ///
    /// # Errors
    /// Those of the system, which rather grants less than refuses.
    pub fn widen(&self, bytes: usize) -> io::Result<()> {
        let mut sockets = self.sockets.iter().flat_map(|sockets| &sockets.udp);
        sockets.try_for_each(|socket| socket::set_receive_buffer(socket, bytes))
    }

    /// Has every worker join live sync's group on an interface, and hear what comes to this port.
    ///
    /// # Errors
    /// When there is no such interface, or it knows no multicast.
    pub fn join(&mut self, livesync: SocketAddrV4) -> Result<(), Fatal> {
        let group = SocketAddrV4::new(livesync::GROUP, livesync.port());
        for sockets in &mut self.sockets {
            let socket = socket::multicast(group, *livesync.ip()).map_err(|error| {
                let what = format!(
                    "can't join {group} by {}: {error}; it has to be the address of an interface \
                     that is up and knows multicast: see `ip address`",
                    livesync.ip()
                );
                Fatal::new(Exit::of(&error), "livesync.cluster.listen", what)
            })?;
            sockets.livesync = Some(socket);
        }
        log::info!("live sync: {group} by {}", livesync.ip());
        Ok(())
    }

    /// Has the kernel hand datagrams to the workers that own their torrents.
    ///
    /// # Errors
    /// The first address's that can't be steered; letters then do the work.
    pub fn steer(&self, owners: &Owners) -> io::Result<()> {
        let members = u32::try_from(self.sockets.len()).unwrap_or(u32::MAX);
        let groups = self.sockets.first().map_or(&[][..], |sockets| &sockets.udp);
        groups
            .iter()
            .try_for_each(|socket| steer::attach(socket, owners.odd_key(), members))
    }

    /// Binds one address for all workers, in order, so that the kernel's order is ours.
    fn listen(&mut self, listen: &Listen) -> io::Result<()> {
        let mut tries = TRIES;
        let (udp, tcp) = loop {
            match first(listen) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 1 => tries -= 1,
                result => break result?,
            }
        };
        let workers = self.sockets.len();
        let udp = udp.map(|socket| {
            let addr = socket.local_addr()?;
            Ok::<_, io::Error>((addr, group(socket, workers, || socket::udp(addr))?))
        });
        let tcp = tcp.map(|listener| {
            let addr = listener.local_addr()?;
            Ok::<_, io::Error>((addr, group(listener, workers, || socket::tcp(addr))?))
        });
        // Only when all are bound: every worker must have the same addresses.
        let (udp, tcp) = (udp.transpose()?, tcp.transpose()?);
        if let Some((addr, group)) = udp {
            self.names.push(format!("udp://{addr}"));
            self.places.push(addr);
            let each = self.sockets.iter_mut().zip(group);
            each.for_each(|(sockets, socket)| sockets.udp.push(socket));
        }
        if let Some((addr, group)) = tcp {
            let scheme = if listen.https { "https" } else { "tcp" };
            self.names.push(format!("{scheme}://{addr}"));
            self.places.push(addr);
            for (sockets, listener) in self.sockets.iter_mut().zip(group) {
                match listen.https {
                    true => sockets.https.push(listener),
                    false => sockets.tcp.push(listener),
                }
            }
        }
        Ok(())
    }
}

/// One socket for each worker, the first of which is bound already.
fn group<S>(first: S, workers: usize, bind: impl Fn() -> io::Result<S>) -> io::Result<Vec<S>> {
    let others = (1..workers).map(|_| bind());
    std::iter::once(Ok(first)).chain(others).collect()
}

/// The first worker's sockets; UDP and TCP get the same port, also when the system chooses it.
fn first(listen: &Listen) -> io::Result<(Option<UdpSocket>, Option<TcpListener>)> {
    let mut addr = listen.addr;
    let udp = if listen.udp {
        if addr.port() == 0 {
            addr.set_port(free_port(addr.ip())?);
        }
        Some(socket::udp(addr)?)
    } else {
        None
    };
    if listen.udp && listen.connects() && listen.addr.port() == 0 {
        socket::probe(Transport::Tcp, addr)?;
    }
    let tcp = if listen.connects() {
        Some(socket::tcp(addr)?)
    } else {
        None
    };
    Ok((udp, tcp))
}

/// A port nobody has. Sockets that share their port (SO_REUSEPORT) can't leave the choice to the
/// kernel, which may choose one that others of the same user share: that of another tracker.
fn free_port(ip: IpAddr) -> io::Result<u16> {
    Ok(UdpSocket::bind((ip, 0))?.local_addr()?.port())
}

fn transports(listen: &Listen) -> impl Iterator<Item = Transport> {
    let wanted = [
        (listen.udp, Transport::Udp),
        (listen.connects(), Transport::Tcp),
    ];
    wanted
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .map(|(_, transport)| transport)
}

/// A system without IPv6, or without IPv4.
fn is_family_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || socket::is_family_unknown(error)
}

fn fatal(transport: Transport, addr: SocketAddr, error: &io::Error) -> Fatal {
    let scheme = match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    };
    let (exit, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            Exit::Os,
            "is another tracker, or other program, running on this port?",
        ),
        io::ErrorKind::PermissionDenied => (
            Exit::NoPermission,
            "ports below 1024 need root; start as root and set tracker.user",
        ),
        io::ErrorKind::AddrNotAvailable => {
            (Exit::Os, "this host has no such address; see `ip address`")
        }
        _ => (Exit::Os, "see the listen lines of the configuration"),
    };
    Fatal::new(
        exit,
        format!("{scheme}://{addr}"),
        format!("{error}; {remedy}"),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_the_system_chooses_belong_to_one_tracker() {
        let listen = Listen {
            addr: "127.0.0.1:0".parse().unwrap(),
            tcp: false,
            udp: true,
            https: false,
            optional: false,
        };
        // Enough that two of them would meet if the kernel chose.
        let sockets: Vec<_> = (0..700)
            .map(|_| first(&listen).unwrap().0.unwrap())
            .collect();
        let ports = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap().port());
        assert_eq!(ports.collect::<BTreeSet<_>>().len(), sockets.len());
    }
}
