//! Pages by HTTP and HTTPS, unpacked. Cookies, passwords and the user's proxies play no part.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{HeaderMap, Uri, Version};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error, Timeout};

use super::url::{Scheme, Url};

/// The longest head of a response.
const HEAD_LEN_MAX: usize = 16 << 10;

/// How servers are asked.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// What we call ourselves.
    pub agent: &'static str,
    /// How long all of a request may take, redirects included.
    pub time_max: Duration,
    /// Redirects that are followed, never from HTTPS to HTTP.
    pub redirects_max: u32,
}

/// Asks servers, on a connection for each request.
pub struct Web {
    plain: Agent,
    /// Doesn't go on without encryption.
    strict: Agent,
}

/// What a server has answered.
#[derive(Debug)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// Whether another request could have followed on the connection.
    pub keeps_alive: bool,
    /// The body, unpacked.
    pub body: Vec<u8>,
}

impl Web {
    /// One that connects to where the resolver says.
    pub fn new(manners: Manners, resolver: impl Resolver + Clone) -> Web {
        let roots = roots();
        let agent = |https_only| {
            let tls = TlsConfig::builder().root_certs(roots.clone()).build();
            let config = Agent::config_builder()
                .https_only(https_only)
                .http_status_as_error(false)
                .max_redirects(manners.redirects_max)
                .proxy(None)
                .user_agent(manners.agent)
                .max_response_header_size(HEAD_LEN_MAX)
                .max_idle_connections(0)
                .timeout_global(Some(manners.time_max))
                .tls_config(tls)
                .build();
            Agent::with_parts(config, DefaultConnector::new(), resolver.clone())
        };
        Web {
            plain: agent(false),
            strict: agent(true),
        }
    }

    /// What is at a path of that host, whose body may be no longer than `len_max`.
    ///
    /// # Errors
    /// When there is no answer, or what comes is not HTTP. An answer of any status is one.
    pub fn get(
        &self,
        url: &Url,
        path: &str,
        query: &[u8],
        len_max: usize,
    ) -> Result<Page, Box<Error>> {
        let path = path.to_owned();
        let mut target = Url {
            path,
            ..url.clone()
        }
        .to_string();
        if !query.is_empty() {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.extend(query.iter().copied().map(char::from));
        }
        let agent = match url.scheme {
            Scheme::Https => &self.strict,
            _ => &self.plain,
        };
        let mut response = agent.get(&target).call()?;
        let mut body = Vec::new();
        let reader = response.body_mut().as_reader();
        let read = reader.take(len_max as u64 + 1).read_to_end(&mut body);
        if read.map_err(Error::Io)? > len_max {
            return Err(Box::new(Error::BodyExceedsLimit(len_max as u64)));
        }
        Ok(Page {
            status: response.status().as_u16(),
            keeps_alive: keeps_alive(response.version(), response.headers()),
            body,
        })
    }
}

/// The addresses of a host, as the system's resolver tells them.
///
/// # Errors
/// When there are none.
pub fn resolve(host: &str, port: u16, time_max: Duration) -> Result<Vec<SocketAddr>, Box<Error>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let uri = Uri::builder().scheme("http").path_and_query("/");
    let uri = uri.authority(format!("{host}:{port}")).build();
    let uri = uri.map_err(|_| Error::BadUri(host.into()))?;
    let timeout = NextTimeout {
        after: time_max.into(),
        reason: Timeout::Resolve,
        per_read: None,
        per_write: None,
    };
    let found = DefaultResolver::default().resolve(&uri, &Config::default(), timeout)?;
    Ok(found.to_vec())
}

fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let values = headers.get_all("connection").iter();
        let values = values.filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(','));
        words.any(|found| found.trim().eq_ignore_ascii_case(word))
    };
    match version {
        Version::HTTP_10 => says("keep-alive"),
        _ => !says("close"),
    }
}

/// The certificates that are believed: those of the system, or where it has none, of the library.
fn roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    let certs: Vec<_> = found
        .iter()
        .map(|cert| Certificate::from_der(cert).to_owned())
        .collect();
    match certs.is_empty() {
        true => RootCerts::WebPki,
        false => RootCerts::Specific(Arc::new(certs)),
    }
}
