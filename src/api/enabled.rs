//! Requests understood, answers written.

use std::net::IpAddr;
use std::str::{self, FromStr};

use super::{Answer, Ask, Change, Guard, LISTED_MAX, LISTED_UNSAID, Refusal, Stats};
use crate::types::{Counts, InfoHash, PeerAddr, Seconds};
use crate::wire::http::{Head, Headers, Method, Status};
use crate::wire::json::Json;
use crate::wire::query;

/// The header without which nothing is changed where there is no token: a page in a browser can't
/// send it elsewhere without being allowed to.
const CHANGE_HEADER: &str = "X-Trackerd";

/// The longest ban, a year.
const BAN_SECS_MAX: u64 = 365 * 24 * 60 * 60;

/// The API of this build.
#[derive(Clone, Copy, Debug)]
pub struct Api(());

/// What there is only with the room.
pub type Present<T> = T;

impl Api {
    /// There is one.
    pub fn new() -> Option<Api> {
        Some(Api(()))
    }

    /// What there is only with the room.
    pub fn brings<T>(self, it: T) -> Present<T> {
        it
    }

    /// What is asked for.
    ///
    /// # Errors
    /// When the asker is not to be heard, or it makes no sense.
    pub fn understand(self, head: &Head<'_>, guard: Guard<'_>) -> Result<Ask, Refusal> {
        admit(head, guard)?;
        let (path, query) = query::split(head.target);
        let path = path.strip_prefix(b"/v1/").ok_or(NO_PATH)?;
        let mut words = path.splitn(2, |byte| *byte == b'/');
        let (kind, rest) = (words.next().unwrap_or_default(), words.next());
        let params = Params::parse(query.unwrap_or_default())?;
        let item = rest.map(plain).transpose()?;
        match (kind, item) {
            (b"stats", None) => only(head.method, Method::Get, params.none(Ask::Stats)?),
            (b"drain", None) => only(head.method, Method::Post, params.none(Ask::Drain)?),
            (b"snapshot", None) => only(head.method, Method::Post, params.none(Ask::Snapshot)?),
            (b"swarms", Some(hash)) => {
                params.nothing_but(&[b"limit"])?;
                let ask = Ask::Swarm(read(&hash)?, params.limit()?);
                only(head.method, Method::Get, ask)
            }
            (b"hashes" | b"keys" | b"denied" | b"bans", None) => {
                only(head.method, Method::Get, list(kind, &params)?)
            }
            (b"hashes", Some(hash)) => {
                let hash = read(&hash)?;
                let change = |there| Change::Hash(hash, there);
                act(head.method, params.none(Ask::Hash(hash))?, change)
            }
            (b"keys", Some(key)) => {
                let key = key.into_bytes();
                let change = |there| Change::Key(key.clone(), there);
                act(head.method, params.none(Ask::Key(key.clone()))?, change)
            }
            (b"denied", Some(net)) => {
                let net = read(&net)?;
                let change = |there| Change::Denied(net, there);
                act(head.method, params.none(Ask::IsDenied(net))?, change)
            }
            (b"bans", Some(ip)) => ban(head.method, read(&ip)?, &params),
            _ => Err(NO_PATH),
        }
    }

    /// Appends the whole response to what was asked.
    pub fn answer(self, answer: &Answer, out: &mut Vec<u8>) {
        let (status, body) = match answer {
            Answer::Stats(all) => (Status::OK, stats(all)),
            Answer::Swarm(hash, counts, peers) => (Status::OK, swarm(hash, counts, peers)),
            Answer::Hashes(list, total, hashes, more) => {
                let after = hashes.last().filter(|_| *more);
                let body = Json::object(|json| {
                    json.text("list", list);
                    json.plain("total", total);
                    json.texts_at("hashes", hashes);
                    after
                        .into_iter()
                        .for_each(|after| json.text("after", after));
                });
                (Status::OK, body)
            }
            Answer::Keys(total) => (Status::OK, Json::object(|json| json.plain("total", total))),
            Answer::Denied(nets, more) => (Status::OK, denied(nets, *more)),
            Answer::Bans(sources, more) => (Status::OK, bans(sources, *more)),
            Answer::There(secs) => {
                let body = Json::object(|json| match secs {
                    Some(secs) => json.plain("secs_left", secs),
                    None => json.plain("found", true),
                });
                (Status::OK, body)
            }
            Answer::Added { is_new, total } => {
                let status = if *is_new { Status::CREATED } else { Status::OK };
                (status, changed("added", *is_new, *total))
            }
            Answer::Removed { total } => (Status::OK, changed("removed", true, *total)),
            Answer::Snapshot { under_way } => {
                let body = Json::object(|json| {
                    json.plain("snapshot", true);
                    json.plain("under_way", under_way);
                });
                (Status::ACCEPTED, body)
            }
            Answer::Draining => {
                let body = Json::object(|json| json.plain("draining", true));
                (Status::ACCEPTED, body)
            }
            Answer::Refused(refusal) => (refusal.status, failure(refusal.reason)),
        };
        respond(status, &body, out);
    }

    /// Appends the response to what is no request.
    pub fn fault(self, status: Status, out: &mut Vec<u8>) {
        respond(status, &failure(status.reason()), out);
    }
}

const NO_PATH: Refusal = refusal(
    Status::NOT_FOUND,
    "no such path: there are /v1/stats, /v1/swarms/HASH, /v1/hashes, /v1/keys, /v1/denied, \
     /v1/bans, /v1/snapshot and /v1/drain",
);
const NO_METHOD: Refusal = refusal(
    Status::METHOD_NOT_ALLOWED,
    "not by this method: GET looks, PUT adds, DELETE removes, and POST is for /v1/snapshot \
     and /v1/drain",
);
const NO_SENSE: Refusal = refusal(
    Status::BAD_REQUEST,
    "that is no info-hash of 40 hexadecimal digits, no address or network, or no number in range",
);
const NO_PARAMETER: Refusal = refusal(
    Status::BAD_REQUEST,
    "the query has a parameter that means nothing here, or one without a value",
);

const fn refusal(status: Status, reason: &'static str) -> Refusal {
    Refusal { status, reason }
}

/// Whether the asker is heard.
fn admit(head: &Head<'_>, guard: Guard<'_>) -> Result<(), Refusal> {
    let headers = &head.headers;
    let from_page = headers.named("Origin").next().is_some()
        || headers.named("Sec-Fetch-Site").any(|site| site != b"none");
    if from_page {
        let reason = "pages in browsers are not served";
        return Err(refusal(Status::FORBIDDEN, reason));
    }
    if let Some(token) = guard.token {
        let shown = head.header("Authorization").and_then(bearer);
        return match shown.is_some_and(|shown| token.is(shown)) {
            true => Ok(()),
            false => Err(refusal(
                Status::UNAUTHORIZED,
                "send the token of api.token_file: Authorization: Bearer TOKEN",
            )),
        };
    }
    if guard.by_file {
        return Ok(());
    }
    if !is_named_by_address(headers) {
        // A page may come from a name that leads here.
        let reason = "without a token, Host has to be localhost or an address";
        return Err(refusal(Status::FORBIDDEN, reason));
    }
    let may_change = headers.named(CHANGE_HEADER).next().is_some();
    if head.method != Method::Get && !may_change {
        let reason = "without a token, changes need a header X-Trackerd, whatever it says";
        return Err(refusal(Status::FORBIDDEN, reason));
    }
    Ok(())
}

/// The token of `Bearer TOKEN` (RFC 6750, 2.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then_some(token.trim_ascii())
}

/// Whether the asker knows this place as an address, or as localhost.
fn is_named_by_address(headers: &Headers<'_>) -> bool {
    let mut hosts = headers.named("Host");
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = str::from_utf8(host) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let in_brackets = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let name = in_brackets.unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn list(kind: &[u8], params: &Params<'_>) -> Result<Ask, Refusal> {
    if kind == b"keys" {
        return params.none(Ask::Keys);
    }
    params.nothing_but(&[b"after", b"limit"])?;
    let limit = params.limit()?;
    Ok(match kind {
        b"hashes" => Ask::Hashes(params.read(b"after")?, limit),
        b"denied" => Ask::Denied(params.read(b"after")?, limit),
        _ => Ask::Bans(params.read(b"after")?, limit),
    })
}

fn ban(method: Method, ip: IpAddr, params: &Params<'_>) -> Result<Ask, Refusal> {
    if method != Method::Put {
        return act(method, params.none(Ask::Ban(ip))?, |_| {
            Change::Ban(ip, None)
        });
    }
    params.nothing_but(&[b"secs"])?;
    let secs = params.number(b"secs", 1, BAN_SECS_MAX)?.ok_or(refusal(
        Status::BAD_REQUEST,
        "say how long, as in ?secs=3600; PUT /v1/denied/ADDRESS is for good",
    ))?;
    Ok(Ask::Change(Change::Ban(ip, Some(secs as Seconds))))
}

/// What a method does to one thing.
fn act(method: Method, look: Ask, change: impl Fn(bool) -> Change) -> Result<Ask, Refusal> {
    match method {
        Method::Get => Ok(look),
        Method::Put => Ok(Ask::Change(change(true))),
        Method::Delete => Ok(Ask::Change(change(false))),
        Method::Post => Err(NO_METHOD),
    }
}

fn only(method: Method, wanted: Method, ask: Ask) -> Result<Ask, Refusal> {
    match method == wanted {
        true => Ok(ask),
        false => Err(NO_METHOD),
    }
}

/// What a text stands for.
fn read<T: FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| NO_SENSE)
}

/// A text without percent-encoding, which nothing that makes sense here needs.
fn plain(text: &[u8]) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match first {
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2).ok_or(NO_SENSE)?;
                rest = tail;
                let digits = str::from_utf8(digits).map_err(|_| NO_SENSE)?;
                u8::from_str_radix(digits, 16).map_err(|_| NO_SENSE)?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| NO_SENSE)
}

/// Names and values of a query.
struct Params<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Params<'a> {
    fn parse(query: &'a [u8]) -> Result<Params<'a>, Refusal> {
        let pairs = query.split(|byte| *byte == b'&');
        let pairs = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=');
            let at = at.ok_or(NO_PARAMETER)?;
            Ok((&pair[..at], &pair[at + 1..]))
        });
        pairs.collect::<Result<_, _>>().map(Params)
    }

    fn nothing_but(&self, names: &[&[u8]]) -> Result<(), Refusal> {
        match self.0.iter().all(|(name, _)| names.contains(name)) {
            true => Ok(()),
            false => Err(NO_PARAMETER),
        }
    }

    /// For what takes no parameters.
    fn none(&self, ask: Ask) -> Result<Ask, Refusal> {
        self.nothing_but(&[]).map(|()| ask)
    }

    fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut pairs = self.0.iter();
        pairs.find(|pair| pair.0 == name).map(|pair| pair.1)
    }

    fn read<T: FromStr>(&self, name: &[u8]) -> Result<Option<T>, Refusal> {
        let text = self.value(name).map(plain).transpose()?;
        text.map(|text| read(&text)).transpose()
    }

    fn number(&self, name: &[u8], min: u64, max: u64) -> Result<Option<u64>, Refusal> {
        match self.read(name)? {
            Some(number) if !(min..=max).contains(&number) => Err(NO_SENSE),
            number => Ok(number),
        }
    }

    fn limit(&self) -> Result<usize, Refusal> {
        let limit = self.number(b"limit", 1, LISTED_MAX as u64)?;
        Ok(limit.map_or(LISTED_UNSAID, |limit| limit as usize))
    }
}

fn respond(status: Status, body: &str, out: &mut Vec<u8>) {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n",
        status.0,
        status.reason(),
        body.len()
    );
    head.push_str(match status {
        Status::UNAUTHORIZED => "WWW-Authenticate: Bearer\r\n",
        Status::METHOD_NOT_ALLOWED => "Allow: GET, PUT, POST, DELETE\r\n",
        _ => "",
    });
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.as_bytes());
}

fn failure(reason: &str) -> String {
    Json::object(|json| json.text("error", reason))
}

fn changed(what: &str, is_so: bool, total: Option<usize>) -> String {
    Json::object(|json| {
        json.plain(what, is_so);
        total
            .into_iter()
            .for_each(|total| json.plain("total", total));
    })
}

fn stats(stats: &Stats) -> String {
    Json::object(|json| {
        json.text("version", stats.version);
        json.plain("uptime", stats.uptime);
        json.plain("started", stats.started);
        json.plain("workers", stats.workers);
        json.plain("interval", stats.interval);
        json.plain("draining", stats.draining);
        json.plain("torrents", stats.torrents);
        json.plain("seeders", stats.seeders);
        json.plain("leechers", stats.leechers);
        json.plain("completed", stats.completed);
        json.object_at("memory", |json| {
            json.plain("bytes", stats.bytes);
            match stats.bytes_max {
                Some(max) => json.plain("bytes_max", max),
                None => json.plain("bytes_max", "null"),
            }
        });
        json.object_at("counts", |json| {
            for (name, [v4, v6]) in &stats.counts {
                json.object_at(&name.replace(' ', "_"), |json| {
                    json.plain("ipv4", v4);
                    json.plain("ipv6", v6);
                });
            }
        });
    })
}

fn swarm(hash: &InfoHash, counts: &Counts, peers: &[(PeerAddr, bool)]) -> String {
    Json::object(|json| {
        json.text("hash", hash);
        json.plain("seeders", counts.seeders);
        json.plain("leechers", counts.leechers);
        json.plain("paused", counts.paused);
        json.plain("completed", counts.completed);
        json.list_at("peers", peers, |json, (peer, is_seeder)| {
            json.text("ip", peer.ip());
            json.plain("port", peer.port());
            json.plain("seeder", is_seeder);
        });
    })
}

fn denied(nets: &[(IpAddr, u8)], more: bool) -> String {
    let text = |(ip, bits): &(IpAddr, u8)| format!("{ip}/{bits}");
    Json::object(|json| {
        json.texts_at("networks", nets.iter().map(text));
        let after = nets.last().filter(|_| more);
        after
            .into_iter()
            .for_each(|net| json.text("after", text(net)));
    })
}

fn bans(sources: &[(IpAddr, Seconds)], more: bool) -> String {
    Json::object(|json| {
        json.list_at("bans", sources, |json, (ip, secs)| {
            json.text("ip", ip);
            json.plain("secs_left", secs);
        });
        let after = sources.last().filter(|_| more);
        after.into_iter().for_each(|(ip, _)| json.text("after", ip));
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::Token;
    use crate::types::Net;
    use crate::wire::http::Response;

    const HASH: InfoHash = InfoHash([0xab; 20]);

    fn api() -> Api {
        Api::new().unwrap()
    }

    fn understand(line: &str, headers: &str, guard: Guard<'_>) -> Result<Ask, Refusal> {
        let bytes = format!("{line} HTTP/1.1\r\n{headers}\r\n");
        let (head, _) = Head::parse_any(&Method::ALL, bytes.as_bytes(), 0)
            .unwrap()
            .unwrap();
        api().understand(&head, guard)
    }

    fn by_file(line: &str) -> Result<Ask, Refusal> {
        let guard = Guard {
            token: None,
            by_file: true,
        };
        understand(line, "", guard)
    }

    #[test]
    fn requests_are_understood() {
        let hash = "aB".repeat(20);
        let net = |text: &str| text.parse::<Net>().unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (line, ask) in [
            ("GET /v1/stats".to_owned(), Ask::Stats),
            (
                format!("GET /v1/swarms/{hash}"),
                Ask::Swarm(HASH, LISTED_UNSAID),
            ),
            (
                format!("GET /v1/swarms/{hash}?limit=1000"),
                Ask::Swarm(HASH, 1000),
            ),
            ("GET /v1/hashes".into(), Ask::Hashes(None, LISTED_UNSAID)),
            (
                format!("GET /v1/hashes?limit=1&after={hash}"),
                Ask::Hashes(Some(HASH), 1),
            ),
            (format!("GET /v1/hashes/{hash}"), Ask::Hash(HASH)),
            (
                format!("PUT /v1/hashes/{hash}"),
                Ask::Change(Change::Hash(HASH, true)),
            ),
            (
                format!("DELETE /v1/hashes/{hash}"),
                Ask::Change(Change::Hash(HASH, false)),
            ),
            ("GET /v1/keys".into(), Ask::Keys),
            (
                "PUT /v1/keys/k".into(),
                Ask::Change(Change::Key(b"k".into(), true)),
            ),
            ("GET /v1/denied?after=10.0.0.0/8".into(), {
                Ask::Denied(Some(net("10.0.0.0/8")), LISTED_UNSAID)
            }),
            ("GET /v1/denied/::1".into(), Ask::IsDenied(net("::1"))),
            ("PUT /v1/denied/2001%3adb8::%2F32".into(), {
                Ask::Change(Change::Denied(net("2001:db8::/32"), true))
            }),
            ("GET /v1/bans?limit=3".into(), Ask::Bans(None, 3)),
            ("GET /v1/bans/1.2.3.4".into(), Ask::Ban(ip("1.2.3.4"))),
            (
                "PUT /v1/bans/::1?secs=9".into(),
                Ask::Change(Change::Ban(ip("::1"), Some(9))),
            ),
            (
                "DELETE /v1/bans/::1".into(),
                Ask::Change(Change::Ban(ip("::1"), None)),
            ),
            ("POST /v1/drain".into(), Ask::Drain),
        ] {
            assert_eq!(by_file(&line), Ok(ask), "{line}");
        }
    }

    #[test]
    fn the_token_is_all_that_counts_where_there_is_one() {
        let token = Token::parse(b"0123456789abcdef").unwrap();
        let guard = Guard {
            token: Some(&token),
            by_file: false,
        };
        let shown = "Authorization: BEARER 0123456789abcdef\r\n";
        assert_eq!(understand("POST /v1/drain", shown, guard), Ok(Ask::Drain));
        for headers in [
            "",
            "Authorization: Bearer\r\n",
            "Host: [::1]\r\nX-Trackerd: 1\r\n",
        ] {
            let refused = understand("GET /v1/stats", headers, guard);
            assert_eq!(refused.unwrap_err().status, Status::UNAUTHORIZED);
        }
        let page = format!("{shown}Sec-Fetch-Site: same-site\r\n");
        let refused = understand("GET /v1/stats", &page, guard);
        assert_eq!(refused.unwrap_err().status, Status::FORBIDDEN);
    }

    #[track_caller]
    fn answered(answer: &Answer, status: u16, body: &str) {
        let mut out = Vec::new();
        api().answer(answer, &mut out);
        let (response, len) = Response::parse(&out, 0).unwrap().unwrap();
        assert_eq!(response.status, Status(status));
        assert_eq!(response.content_type, b"application/json");
        assert_eq!(
            str::from_utf8(&out[len..]),
            Ok(&*(body.replace('\'', "\"") + "\n"))
        );
    }

    #[test]
    fn answers_are_these_bytes() {
        let stats = Stats {
            version: "trackerd 1",
            uptime: 2,
            started: 1_700_000_000,
            workers: 3,
            interval: 1800,
            draining: true,
            torrents: 4,
            seeders: 5,
            leechers: 6,
            completed: 7,
            bytes: 8,
            bytes_max: None,
            counts: vec![("tcp accepted", [9, 10]), ("busy", [0, u64::MAX])],
        };
        let limited = Stats {
            bytes_max: Some(16),
            counts: Vec::new(),
            ..stats.clone()
        };
        let head = "{'version':'trackerd 1','uptime':2,'started':1700000000,'workers':3,\
                    'interval':1800,'draining':true,'torrents':4,'seeders':5,'leechers':6,\
                    'completed':7,'memory':{'bytes':8,'bytes_max':";
        let rest = "null},'counts':{'tcp_accepted':{'ipv4':9,'ipv6':10},\
                    'busy':{'ipv4':0,'ipv6':18446744073709551615}}}";
        answered(&Answer::Stats(stats.into()), 200, &format!("{head}{rest}"));
        answered(
            &Answer::Stats(limited.into()),
            200,
            &format!("{head}16}},'counts':{{}}}}"),
        );
        let counts = Counts {
            seeders: 1,
            leechers: 1,
            paused: 0,
            completed: 3,
        };
        let peer = |ip: &str, port| PeerAddr::new(ip.parse().unwrap(), port);
        let peers = vec![
            (peer("1.2.3.4", 5), true),
            (peer("2001:db8::1", 65535), false),
        ];
        let name = HASH.to_string();
        let body = format!(
            "{{'hash':'{name}','seeders':1,'leechers':1,'paused':0,'completed':3,'peers':[\
             {{'ip':'1.2.3.4','port':5,'seeder':true}},\
             {{'ip':'2001:db8::1','port':65535,'seeder':false}}]}}"
        );
        answered(&Answer::Swarm(HASH, counts, peers), 200, &body);
        let body = format!("{{'list':'whitelist','total':2,'hashes':['{name}'],'after':'{name}'}}");
        answered(
            &Answer::Hashes("whitelist", 2, vec![HASH], true),
            200,
            &body,
        );
        let nets = vec![("10.0.0.0".parse().unwrap(), 8), ("::".parse().unwrap(), 1)];
        let body = "{'networks':['10.0.0.0/8','::/1']}";
        answered(&Answer::Denied(nets, false), 200, body);
        let bans = vec![("10.0.0.1".parse().unwrap(), 8)];
        let body = "{'bans':[{'ip':'10.0.0.1','secs_left':8}],'after':'10.0.0.1'}";
        answered(&Answer::Bans(bans, true), 200, body);
    }
}
