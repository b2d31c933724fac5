//! Whether a tracker answers that runs as configured: what it is asked, and what will do.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::client::udp::Talk;
use crate::config::{Config, Listen};
use crate::error::{Exit, Fatal};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How HTTPS answers what is not encrypted: by an alert (RFC 8446, 5.1), of a version that is
/// always 3.
const ALERT: &[u8] = &[21, 3];

/// Asks the first of the configured addresses from this machine: for a connection id over UDP, or
/// for any answer over HTTP or HTTPS.
///
/// # Errors
/// With [`Exit::Unhealthy`] when there is none.
pub fn check(config: &Config) -> Result<(), Fatal> {
    let Listen {
        addr, udp, https, ..
    } = config.listens[0];
    let scheme = match (udp, https) {
        (true, _) => "udp",
        (false, true) => "https",
        (false, false) => "tcp",
    };
    let to = nearest(addr);
    let asked = match udp {
        _ if to.port() == 0 => Err(io::Error::other("nobody knows which port that is")),
        true => Talk::open(to, PATIENCE).map(drop).map_err(io::Error::other),
        false => ask_http(to, https, config),
    };
    asked.map_err(|error| {
        let what = format!("no answer: {error}");
        Fatal::new(Exit::Unhealthy, format!("{scheme}://{to}"), what)
    })
}

/// Where an address is reached from this machine.
pub fn nearest(addr: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match addr.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, addr.port())
}

/// Asks for a page of the tracker there, in plain HTTP; the answer has yet to be read.
///
/// # Errors
/// When nobody is there.
pub fn request(
    to: SocketAddr,
    page: &str,
    patience: Duration,
    config: &Config,
) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&to, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let is_proxy = |ip| config.proxies.iter().any(|net| net.contains(ip));
    let preface = match config.proxy_protocol && is_proxy(stream.local_addr()?.ip()) {
        true => "PROXY UNKNOWN\r\n",
        false => "",
    };
    // In one piece: HTTPS ends the connection at the first that it does not understand, and what
    // came after would take its answer away.
    stream.write_all(format!("{preface}GET {page} HTTP/1.0\r\n\r\n").as_bytes())?;
    Ok(stream)
}

fn ask_http(to: SocketAddr, https: bool, config: &Config) -> io::Result<()> {
    let mut stream = request(to, "/", PATIENCE, config)?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    let expected: &[u8] = match https {
        true => ALERT,
        false => b"HTTP/1.",
    };
    match answer.starts_with(expected) {
        true => Ok(()),
        false => Err(io::Error::other("what answers is no tracker")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_reached_by_the_loopback() {
        for (listen, to) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(nearest(listen.parse().unwrap()), to.parse().unwrap());
        }
    }
}
