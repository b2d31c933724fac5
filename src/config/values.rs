//! Values as operators write them. An error says what is wrong with the value and what would do.

use super::settings::{LIVESYNC_PORT, PORT};
use super::{Amount, ApiPlace};
use crate::types::{Ceiling, Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

/// A place to listen at.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// `*` or `*:PORT`: all addresses of both families.
    Everywhere(u16),
    /// One address; an IPv4-mapped one is IPv4.
    At(SocketAddr),
}

/// `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`, opentracker's `::1.80`, `*` and `*:80`.
pub fn place(text: &str) -> Result<Place, String> {
    let forms = "write 192.0.2.1:6969, [2001:db8::1]:6969 or, for all addresses, *:6969";
    place_or(PORT, text).unwrap_or_else(|| Err(format!("`{text}` is no IP address; {forms}")))
}

/// Where the management API listens: one address and its port, or a socket that is a file.
pub fn api(text: &str) -> Result<ApiPlace, String> {
    let forms = "write 127.0.0.1:6970, [::1]:6970 or unix:/run/trackerd.sock";
    if let Some(path) = text.strip_prefix("unix:") {
        return match path.len() {
            // As much as a socket's address holds (unix(7)).
            1..=107 => Ok(ApiPlace::File(path.into())),
            _ => Err(format!("a socket's path has 1 to 107 bytes; {forms}")),
        };
    }
    text.parse::<SocketAddr>()
        .map(|addr| ApiPlace::At(SocketAddr::new(addr.ip().to_canonical(), addr.port())))
        .map_err(|_| format!("`{text}` is neither an address with a port nor a path; {forms}"))
}

/// Where announces are meant for other trackers too: one address and its port.
pub fn meta_place(text: &str) -> Result<SocketAddr, String> {
    let addr = text.parse::<SocketAddr>().ok();
    let addr = addr.map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()));
    addr.filter(|addr| addr.port() != 0).ok_or_else(|| {
        format!("`{text}` is no address with a port; write 192.0.2.1:6970 or [2001:db8::1]:6970")
    })
}

/// A page on the web.
pub fn web_url(text: &str) -> Result<&str, String> {
    let text = printable(text, "a URL")?;
    match text.starts_with("http://") || text.starts_with("https://") {
        true => Ok(text),
        false => Err(format!("`{text}` has to begin with http:// or https://")),
    }
}

/// A node of the distributed hash table.
pub fn node(text: &str) -> Result<&str, String> {
    let parts = printable(text, "a node")?.rsplit_once(':');
    match parts.filter(|(host, port)| !host.is_empty() && number(port, 1, 65_535).is_ok()) {
        Some(_) => Ok(text),
        None => Err(format!("`{text}` is no node; write dht.example.org:6881")),
    }
}

/// The same for live sync, which is by IPv4, on an interface of its own address and port.
pub fn livesync(text: &str) -> Result<SocketAddrV4, String> {
    let form = "write the interface's IPv4 address, as in 192.0.2.1:9696";
    let (ip, port) = match place_or(LIVESYNC_PORT, text).transpose()? {
        Some(Place::At(SocketAddr::V4(addr))) => (*addr.ip(), addr.port()),
        Some(Place::Everywhere(port)) => (Ipv4Addr::UNSPECIFIED, port),
        Some(Place::At(_)) => return Err(format!("live sync goes by IPv4; {form}")),
        None => return Err(format!("`{text}` is no IP address; {form}")),
    };
    match port {
        0 => Err(format!(
            "live sync needs a port that all nodes know; {form}"
        )),
        port => Ok(SocketAddrV4::new(ip, port)),
    }
}

/// `None` if there is no address.
fn place_or(default: u16, text: &str) -> Option<Result<Place, String>> {
    let (ip, port) = split(text)?;
    let port = port.map_or(Ok(default), self::port);
    Some(port.map(|port| match ip {
        None => Place::Everywhere(port),
        Some(ip) => Place::At(SocketAddr::new(ip.to_canonical(), port)),
    }))
}

/// The address, `None` for `*`, and the text of the port if there is any.
fn split(text: &str) -> Option<(Option<IpAddr>, Option<&str>)> {
    if let Ok(ip) = text.parse() {
        return Some((Some(ip), None));
    }
    let (ip, rest) = if let Some(rest) = text.strip_prefix('*') {
        (None, rest)
    } else if let Some((ip, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        (Some(ip.parse::<Ipv6Addr>().ok()?.into()), rest)
    } else if let Some((ip, port)) = text.rsplit_once('.')
        && let Ok(ip) = ip.parse::<Ipv6Addr>()
    {
        return Some((Some(ip.into()), Some(port)));
    } else {
        let (ip, port) = text.split_once(':')?;
        return Some((Some(ip.parse::<Ipv4Addr>().ok()?.into()), Some(port)));
    };
    match rest {
        "" => Some((ip, None)),
        rest => Some((ip, Some(rest.strip_prefix(':')?))),
    }
}

/// A TCP or UDP port; 0 lets the system choose.
pub fn port(text: &str) -> Result<u16, String> {
    number(text, 0, u16::MAX.into()).map(|port| port as u16)
}

/// A whole number from `min` to `max`, in decimal digits and nothing else.
pub fn number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits && (min..=max).contains(&number) => Ok(number),
        _ => Err(format!(
            "`{text}` is not a whole number from {min} to {max}"
        )),
    }
}

/// A whole number from `min` to `max`, or `max`, for which etracker says `-1`.
pub fn amount(text: &str, min: u32, max: u32) -> Result<Amount, String> {
    match text {
        "max" | "-1" => Ok(Amount::Max),
        text => number(text, min, max)
            .map(Amount::Of)
            .map_err(|what| format!("{what}, nor max")),
    }
}

/// A load in hundredths, written as a number with two decimals at most; `auto` stands for one that
/// depends on the machine.
pub fn load(text: &str) -> Result<Ceiling, String> {
    if text == "auto" {
        return Ok(Ceiling::Auto);
    }
    let (whole, parts) = text.split_once('.').unwrap_or((text, "0"));
    let scale = if parts.len() == 1 { 10 } else { 1 };
    match (number(whole, 0, 1000), number(parts, 0, 99)) {
        (Ok(whole), Ok(parts @ 0..=99)) if text.len() <= 7 && whole + parts > 0 => {
            Ok(Ceiling::Hundredths(whole * 100 + parts * scale))
        }
        _ => Err(format!(
            "`{text}` is neither auto nor a load from 0.01 to 1000.99"
        )),
    }
}

/// A number of bytes; K, M or G after it multiply it by 1024, 1024² or 1024³.
pub fn size(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_number);
    match number.and_then(|number| number.checked_mul(1 << shift)) {
        // What exceeds the address space is no limit there.
        Some(bytes) => Ok(usize::try_from(bytes).unwrap_or(usize::MAX)),
        None => Err(format!(
            "`{text}` is no number of bytes: write 16777216, 16384K, 16M or 1G"
        )),
    }
}

/// `on`, `off`, or for how many seconds.
pub fn keep_alive(text: &str) -> Result<(bool, Option<u32>), String> {
    match text {
        "on" => Ok((true, None)),
        "off" => Ok((false, None)),
        text => number(text, 1, 3600)
            .map(|secs| (true, Some(secs)))
            .map_err(|what| format!("{what}, nor on, nor off")),
    }
}

/// One of `words`.
pub fn word(text: &str, words: &[&'static str]) -> Result<&'static str, String> {
    let known = words.iter().find(|&&word| word == text);
    known
        .copied()
        .ok_or_else(|| format!("`{text}` is none of {}", words.join(", ")))
}

/// An IP address by itself, in brackets or not; an IPv4-mapped one is IPv4.
pub fn ip(text: &str) -> Result<IpAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let ip: Result<IpAddr, _> = bare.parse();
    ip.map(|ip| ip.to_canonical())
        .map_err(|_| format!("`{text}` is no IP address"))
}

/// `IP` or `IP/BITS`; bits of the address beyond those that count are ignored.
pub fn net(text: &str) -> Result<Net, String> {
    let Some((ip, bits)) = text.split_once('/') else {
        return self::ip(text).map(Net::host);
    };
    let ip: IpAddr = ip
        .parse()
        .map_err(|_| format!("`{text}` is no IP address or network"))?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = number(bits, 0, most)?;
    Net::new(ip, bits as u8).ok_or_else(|| format!("`{text}` is no network"))
}

/// The beginning of a peer id.
pub fn peer_id(text: &str) -> Result<&str, String> {
    match printable(text, "the beginning of a peer id")? {
        text if text.len() <= 20 => Ok(text),
        text => Err(format!("`{text}` is longer than the 20 bytes of a peer id")),
    }
}

/// The beginning of a User-Agent.
pub fn agent(text: &str) -> Result<&str, String> {
    sentence(text, 200)
}

/// What somebody is told who is refused; over UDP it has to be shorter than a request.
pub fn refusal(text: &str) -> Result<&str, String> {
    sentence(text, 80)
}

fn sentence(text: &str, len_max: usize) -> Result<&str, String> {
    let is_fit = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    match text.bytes().all(is_fit) && text.len() <= len_max {
        true => Ok(text),
        false => Err(format!(
            "`{text}` will not do: only printable ASCII does, {len_max} characters at most"
        )),
    }
}

/// The name of a user.
pub fn name(text: &str) -> Result<&str, String> {
    printable(text, "a user's name")
}

/// A URL, as it will stand in a response head.
pub fn url(text: &str) -> Result<&str, String> {
    printable(text, "a URL")
}

/// The address of a Redis or Valkey server.
pub fn server(text: &str) -> Result<&str, String> {
    let text = printable(text, "an address")?;
    let (scheme, place) = text.split_once("://").unwrap_or(("", ""));
    match scheme {
        "redis" | "valkey" | "unix" if !place.is_empty() => Ok(text),
        "rediss" | "valkeys" => Err(
            "there is no TLS here: write redis://, and have a tunnel carry it where the network \
             isn't yours"
                .into(),
        ),
        _ => Err(format!(
            "`{text}` is no address of a server: write redis://127.0.0.1:6379, \
             redis://:PASSWORD@10.0.0.5 or unix:///run/redis.sock"
        )),
    }
}

/// What the names of keys begin with.
pub fn bus_name(text: &str) -> Result<&str, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match text.bytes().all(is_plain) && text.len() <= 64 {
        true => Ok(text),
        false => Err(format!(
            "`{text}` will not do: 1 to 64 letters, digits, -, _ and . will"
        )),
    }
}

/// A path below `/`; leading slashes are dropped.
pub fn stats_path(text: &str) -> Result<&str, String> {
    let path = printable(text, "a path")?.trim_start_matches('/');
    match path {
        "" | "announce" | "scrape" => Err(format!("`{text}` has another use: choose another path")),
        path if path.contains(['?', '#', '%']) => Err(format!(
            "`{text}` is not a plain path: leave out ?, # and %"
        )),
        path => Ok(path),
    }
}

/// The name of a character set (RFC 2978, 2.3).
pub fn charset(text: &str) -> Result<&str, String> {
    let is_mime = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-^_`{}~".contains(&byte);
    match text.bytes().all(is_mime) {
        true => Ok(text),
        false => Err(format!(
            "`{text}` is no character set: write one like utf-8"
        )),
    }
}

/// What stands between thousands where people speak like this, by languages and a few countries.
/// Where it is a narrow space it is a plain one here, which every character set has.
const SEPARATORS: [(&str, char); 4] = [
    ("de_AT de_CH de_LI fr_CH it_CH", '\''),
    ("en es_MX zh ja ko he th hi ar fa ur", ','),
    (
        "de es it nl id tr da el ro hr sl sr vi gl ca eu is pt_BR",
        '.',
    ),
    (
        "fr ru uk pl cs sk sv nb nn no fi hu bg et lv lt be kk pt",
        ' ',
    ),
];

/// What a locale such as `de_CH.UTF-8` puts between thousands; `C` and `POSIX` nothing.
pub fn separator(text: &str) -> Result<Option<char>, String> {
    let name = text.split(['.', '@']).next().unwrap_or(text);
    if ["C", "POSIX"].contains(&name) {
        return Ok(None);
    }
    let language = name.split('_').next().unwrap_or(name);
    let found = [name, language].into_iter().find_map(|wanted| {
        let row = SEPARATORS.iter();
        let mut row = row.filter(|(names, _)| names.split(' ').any(|known| known == wanted));
        row.next().map(|(_, separator)| *separator)
    });
    match found {
        Some(separator) => Ok(Some(separator)),
        None => Err(format!(
            "`{text}` is no locale that is known here: write C, or one like en_US or de"
        )),
    }
}

/// The name of a header (RFC 9110, 5.6.2).
pub fn header(text: &str) -> Result<&str, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match text.bytes().all(is_token) {
        true => Ok(text),
        false => Err(format!(
            "`{text}` is no name of a header: leave out : and spaces"
        )),
    }
}

/// What clients send back in every announce.
pub fn tracker_id(text: &str) -> Result<&str, String> {
    short(printable(text, "an id")?, 64)
}

/// A line for people.
pub fn message(text: &str) -> Result<&str, String> {
    match text.chars().any(char::is_control) {
        true => Err(format!("`{text}` has control characters in it")),
        false => short(text, 255),
    }
}

fn short(text: &str, bytes_max: usize) -> Result<&str, String> {
    match text.len() <= bytes_max {
        true => Ok(text),
        false => Err(format!(
            "{} bytes are too many: {bytes_max} at most",
            text.len()
        )),
    }
}

fn printable<'a>(text: &'a str, what: &str) -> Result<&'a str, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text),
        false => Err(format!(
            "`{text}` is not {what}: only printable ASCII without spaces is"
        )),
    }
}
