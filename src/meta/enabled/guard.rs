//! Whom we connect to: never ourselves, and nobody in a private network unless that is allowed.
//!
//! Lists of trackers, trackers that redirect and peers are strangers' words. Whatever name they
//! give, the addresses that it has are looked at, and those that pass are connected to: a name that
//! means something else at the next look gains nothing.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::job::Failure;
use crate::client::web;
use crate::types::is_global;

/// How long the resolver of the system may take.
const RESOLVE_SECS: u64 = 5;

/// Addresses of each family that are of interest.
const ADDRS_MAX: usize = 2;

/// Looks at addresses.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Where we listen ourselves.
    own: Vec<SocketAddr>,
    allow_private: bool,
}

/// Why an address does not pass.
pub const PRIVATE: &str = "private address";
/// Why an address does not pass.
pub const OWN: &str = "our own address";

impl Guard {
    /// One that knows where we listen; an unspecified address is each of ours.
    pub fn new(own: Vec<SocketAddr>, allow_private: bool) -> Guard {
        Guard { own, allow_private }
    }

    /// Whether this address may be connected to.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self, addr: SocketAddr) -> Result<(), &'static str> {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if self.own.iter().any(|own| is_same(*own, addr)) {
            return Err(OWN);
        }
        match self.allow_private || is_global(addr.ip()) {
            true => Ok(()),
            false => Err(PRIVATE),
        }
    }

    /// Whether a peer may be connected to. Peers may be in private networks; but what listens on
    /// this machine takes connections from here for a friend's.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_peer(&self, addr: SocketAddr) -> Result<(), &'static str> {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let is_host = !addr.ip().is_unspecified() && !is_local(addr);
        match self.allow_private || is_host {
            true => Ok(()),
            false => Err(OWN),
        }
    }

    /// The addresses of a host that may be connected to, a few of each family; never none.
    ///
    /// # Errors
    /// When there is no address, or none may be.
    pub fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let found = web::resolve(host, port, Duration::from_secs(RESOLVE_SECS));
        self.passed(found.map_err(|_| Failure::Unreachable)?)
    }

    fn passed(
        &self,
        found: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let mut passed: Vec<SocketAddr> = Vec::new();
        let mut refused = None;
        for addr in found {
            let family = passed
                .iter()
                .filter(|other| other.is_ipv4() == addr.is_ipv4());
            match self.check(addr) {
                Ok(()) if family.count() < ADDRS_MAX => passed.push(addr),
                Ok(()) => {}
                Err(why) => refused = Some(why),
            }
        }
        match (passed.is_empty(), refused) {
            (false, _) => Ok(passed),
            (true, Some(why)) => Err(Failure::Forbidden(why)),
            (true, None) => Err(Failure::Unreachable),
        }
    }
}

/// Resolves for the HTTP client, and lets pass what the guard does.
impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        match self.passed(found.iter().copied()) {
            Ok(passed) => {
                let mut addrs = self.empty();
                passed.into_iter().for_each(|addr| addrs.push(addr));
                Ok(addrs)
            }
            Err(Failure::Forbidden(why)) => Err(ureq::Error::Other(why.into())),
            Err(_) => Err(ureq::Error::HostNotFound),
        }
    }
}

/// Whether what listens at `own` is reached at `addr`.
fn is_same(own: SocketAddr, addr: SocketAddr) -> bool {
    let is_ours = match own.ip() {
        ip if ip.is_unspecified() => is_local(addr),
        ip => ip.to_canonical() == addr.ip(),
    };
    own.port() == addr.port() && is_ours
}

/// Whether an address is one of this machine's: it is, if it talks to itself from there.
fn is_local(addr: SocketAddr) -> bool {
    let unspecified: SocketAddr = match addr {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    };
    let from = UdpSocket::bind(unspecified).and_then(|socket| {
        socket.connect(addr)?;
        socket.local_addr()
    });
    addr.ip().is_loopback() || from.is_ok_and(|from| from.ip() == addr.ip())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_addresses_that_anybody_may_have_pass() {
        let guard = Guard::new(vec![addr("8.8.4.4:6969")], false);
        assert_eq!(guard.check(addr("8.8.8.8:80")), Ok(()));
        assert_eq!(guard.check(addr("8.8.4.4:80")), Ok(()));
        assert_eq!(guard.check(addr("8.8.4.4:6969")), Err(OWN));
        assert_eq!(guard.check(addr("[::ffff:8.8.4.4]:6969")), Err(OWN));
        for private in [
            "127.0.0.1:80",
            "10.0.0.1:80",
            "192.168.1.1:80",
            "169.254.169.254:80",
            "100.64.0.1:80",
            "0.0.0.0:80",
            "224.0.0.1:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[fe80::1]:80",
            "[fd00::1]:80",
        ] {
            assert_eq!(guard.check(addr(private)), Err(PRIVATE), "{private}");
        }
    }

    #[test]
    fn an_unspecified_address_is_each_of_ours() {
        let guard = Guard::new(vec![addr("0.0.0.0:6969")], true);
        assert_eq!(guard.check(addr("127.0.0.1:6969")), Err(OWN));
        assert_eq!(guard.check(addr("127.0.0.9:6969")), Err(OWN));
        assert_eq!(guard.check(addr("127.0.0.1:6970")), Ok(()));
        let found = guard.addresses("127.0.0.1", 6969);
        assert_eq!(found, Err(Failure::Forbidden(OWN)));
        assert_eq!(
            guard.addresses("127.0.0.1", 1),
            Ok(vec![addr("127.0.0.1:1")])
        );
    }

    #[test]
    fn peers_may_be_near_but_not_here() {
        let guard = Guard::new(Vec::new(), false);
        for near in ["10.255.255.1:6881", "192.0.2.1:6881", "[fd00::99]:6881"] {
            assert_eq!(guard.check_peer(addr(near)), Ok(()), "{near}");
        }
        let here = [
            "127.0.0.1:6379",
            "127.0.0.9:1",
            "0.0.0.0:1",
            "[::1]:1",
            "[::]:1",
        ];
        for here in [&here[..], &["[::ffff:127.0.0.1]:6379"]].concat() {
            assert_eq!(guard.check_peer(addr(here)), Err(OWN), "{here}");
        }
        let free = Guard::new(Vec::new(), true);
        assert_eq!(free.check_peer(addr("127.0.0.1:6379")), Ok(()));
    }

    #[test]
    fn names_are_looked_up_in_this_machine_too() {
        let guard = Guard::new(Vec::new(), true);
        let found = guard.addresses("localhost", 80).unwrap();
        assert!(
            found.iter().all(|addr| addr.ip().is_loopback()),
            "{found:?}"
        );
        let guard = Guard::new(Vec::new(), false);
        let found = guard.addresses("localhost", 80);
        assert_eq!(found, Err(Failure::Forbidden(PRIVATE)));
    }
}
