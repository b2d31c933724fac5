//! The fuzz targets: what must hold for any bytes at all.
//!
//! A new target is a function in the list below, and a file of that name under `fuzz_targets`
//! with its `[[bin]]` in `Cargo.toml`. `cargo test --test fuzz` runs all of them on seeded
//! inputs and checks that the list, the files and the manifest agree.

use std::io::Cursor;

use trackerd::access::{HashList, KeyList, Ranges};
use trackerd::api::{Answer, Api, Ask, Guard, LISTED_MAX, Token};
use trackerd::config::{self, Command};
use trackerd::error::Exit;
use trackerd::persist::{Census, Persist};
use trackerd::types::{Counts, Entry, Family, InfoHash, Kept, Peers};
use trackerd::wire::answer;
use trackerd::wire::bencode::Value;
use trackerd::wire::dump::{Format, State};
use trackerd::wire::http::{HEAD_LEN_MAX, Head, Method, Response, Status, Version, emit_request};
use trackerd::wire::proxy::Preface;
use trackerd::wire::{bus, compact, livesync, place, query, snapshot, udp};

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        /// Every target by name.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name)),*];
    };
}

targets! {
    announce_answer,
    announce_query,
    api_request,
    bencode,
    bus_frame,
    command_line,
    compact_peers,
    config_file,
    failure,
    hash_list,
    key_list,
    livesync_packet,
    meta_state,
    net_list,
    peer_talk,
    proxy_preface,
    request_head,
    response_head,
    scrape_answer,
    scrape_query,
    snapshot,
    state_line,
    tracker_url,
    udp_reply,
    udp_request,
    whole_connection,
}

/// What is read from a datagram, written again, is read the same.
pub fn udp_request(bytes: &[u8]) {
    let Some(request) = udp::Request::parse(bytes) else {
        return;
    };
    assert!(bytes.len() >= 16);
    if let udp::Request::Announce(announce) = &request {
        assert!(announce.url_data().len() <= bytes.len() - 98);
    }
    let mut emitted = Vec::new();
    request.emit(&mut emitted);
    assert!(emitted.len() <= bytes.len());
    assert_eq!(udp::Request::parse(&emitted), Some(request));
}

/// What is read from a datagram, written again, is read the same.
pub fn udp_reply(bytes: &[u8]) {
    if let Some(reply) = udp::Reply::parse(bytes) {
        let mut emitted = Vec::new();
        reply.emit(&mut emitted);
        assert!(bytes.starts_with(&emitted));
        assert_eq!(udp::Reply::parse(&emitted), Some(reply));
    }
}

/// What is read from a packet, each record written again, is read the same.
pub fn livesync_packet(bytes: &[u8]) {
    let Some(packet) = livesync::Packet::parse(bytes) else {
        return;
    };
    let len = livesync::record_len(packet.family);
    let rest = bytes.len() - 8;
    assert!(rest >= len);
    assert_eq!(packet.records().count(), rest.div_ceil(len));
    for record in packet.records().flatten() {
        assert_ne!(record.peer.port(), 0);
        let mut emitted = Vec::new();
        livesync::emit_header(packet.tracker_id, record.peer.family(), &mut emitted);
        record.emit(&mut emitted);
        let again = livesync::Packet::parse(&emitted).unwrap();
        assert_eq!(again.tracker_id, packet.tracker_id);
        assert!(again.records().eq([Some(record)]));
    }
}

/// What is read from a frame, written again, is the frame; and any bytes may follow a head.
pub fn bus_frame(bytes: &[u8]) {
    bus_frame_with(bytes, &bus_sum);
    // Whatever follows the head, the checksum is right.
    if let Some((head, _)) = bytes.split_last_chunk::<4>() {
        bus_frame_with(&[head, &bus_sum(head).to_be_bytes()].concat(), &bus_sum);
    }
}

fn bus_frame_with(bytes: &[u8], sum: &dyn Fn(&[u8]) -> u32) {
    let Some(frame) = bus::Frame::parse(bytes, sum) else {
        return;
    };
    assert_eq!(frame.records().count(), frame.len);
    let mut emitted = Vec::new();
    bus::begin(&frame.head, frame.signature.is_some(), &mut emitted);
    for record in frame.records() {
        assert_ne!(record.peer.port(), 0);
        record.emit(&mut emitted);
    }
    bus::close(frame.len, sum, &mut emitted);
    emitted.extend(frame.signature.iter().flat_map(|(_, tag)| **tag));
    let again = bus::Frame::parse(&emitted, sum).unwrap();
    assert_eq!((again.head, again.len), (frame.head, frame.len));
    assert!(again.records().eq(frame.records()));
}

/// Any sum will do.
fn bus_sum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| sum.wrapping_mul(31).wrapping_add(u32::from(*byte));
    bytes.iter().fold(7, step)
}

/// A preface is the same however its bytes are cut, and when it is written again.
pub fn proxy_preface(bytes: &[u8]) {
    let whole = Preface::parse(bytes);
    match Preface::parse(&bytes[..cut(bytes)]) {
        Ok(None) => {}
        early => assert_eq!(early, whole),
    }
    if let Ok(Some((preface, consumed))) = whole {
        assert!(consumed <= bytes.len());
        let mut emitted = Vec::new();
        preface.emit(&mut emitted);
        assert!(emitted.len() <= 107);
        let again = Preface::parse(&emitted);
        assert_eq!(again, Ok(Some((preface, emitted.len()))));
    }
}

/// A head is the same however its bytes are cut, and when it is written again; its query goes
/// to the other targets.
pub fn request_head(bytes: &[u8]) {
    let whole = Head::parse(bytes, 0);
    let cut = cut(bytes);
    match Head::parse(&bytes[..cut], 0) {
        Ok(None) => assert_eq!(Head::parse(bytes, cut), whole),
        early => assert_eq!(early.map(target_of), whole.map(target_of)),
    }
    let Ok(Some((head, consumed))) = whole else {
        assert!(whole.is_err() || bytes.len() < HEAD_LEN_MAX);
        return;
    };
    assert!(consumed <= bytes.len().min(HEAD_LEN_MAX));
    assert_eq!(Head::parse(&bytes[..consumed], 0), whole);
    assert_eq!(head.target.first(), Some(&b'/'));

    let headers: Vec<_> = head.headers.iter().collect();
    let names = headers
        .iter()
        .map(|(name, _)| str::from_utf8(name).unwrap());
    let pairs: Vec<_> = names.zip(headers.iter().map(|(_, value)| *value)).collect();
    let mut emitted = Vec::new();
    emit_request(head.target, head.version, &pairs, &mut emitted);
    // Normal line ends are longer than bare ones.
    if emitted.len() <= HEAD_LEN_MAX {
        let (again, len) = Head::parse(&emitted, 0).unwrap().unwrap();
        assert_eq!(len, emitted.len());
        assert_eq!((again.target, again.version), (head.target, head.version));
        assert_eq!(again.keep_alive, head.keep_alive);
        assert!(again.headers.iter().eq(headers));
    }
    if let (_, Some(query)) = query::split(head.target) {
        announce_query(query);
        scrape_query(query);
    }
}

/// What a peer says, in pieces, does no harm.
pub fn peer_talk(bytes: &[u8]) {
    let (piece, said) = bytes.split_first().unwrap_or((&1, b""));
    trackerd::meta::overhear(said, (*piece).into());
}

/// What is understood of what an earlier run has kept of other trackers is kept again, the same.
pub fn meta_state(bytes: &[u8]) {
    let whole = [b"trackerd meta 1\n", bytes].concat();
    assert!([bytes, &whole].into_iter().all(trackerd::meta::is_kept));
}

/// Who manages is heard only as the guard has it, and every answer is a response with its length.
pub fn api_request(bytes: &[u8]) {
    let (Some(api), Ok(Some((head, _)))) = (Api::new(), Head::parse_any(&Method::ALL, bytes, 0))
    else {
        return;
    };
    let token = Token::parse(b"0123456789abcdef");
    let anybody = api.understand(
        &head,
        Guard {
            token: None,
            by_file: false,
        },
    );
    let by_file = api.understand(
        &head,
        Guard {
            token: None,
            by_file: true,
        },
    );
    let token = token.as_ref();
    let by_token = api.understand(
        &head,
        Guard {
            token,
            by_file: true,
        },
    );
    if anybody.is_ok() {
        assert!(head.header("Host").is_some() && head.header("Origin").is_none());
        assert!(head.method == Method::Get || head.header("X-Trackerd").is_some());
        assert_eq!(anybody, by_file);
    }
    match by_token {
        Ok(_) => assert!(
            head.header("Authorization")
                .is_some_and(|said| said.len() >= 23)
        ),
        Err(refusal) if by_file.is_ok() => assert_eq!(refusal.status, Status::UNAUTHORIZED),
        Err(_) => {}
    }
    let answer = match by_file {
        Ok(ask) => {
            let changes = matches!(ask, Ask::Change(_) | Ask::Drain);
            assert_eq!(changes, head.method != Method::Get);
            if let Ask::Swarm(_, n) | Ask::Hashes(_, n) | Ask::Denied(_, n) | Ask::Bans(_, n) = ask
            {
                assert!((1..=LISTED_MAX).contains(&n));
            }
            Answer::There(None)
        }
        Err(refusal) => Answer::Refused(refusal),
    };
    let mut out = Vec::new();
    api.answer(&answer, &mut out);
    let (response, len) = Response::parse(&out, 0).unwrap().unwrap();
    assert_eq!(response.content_length, Some((out.len() - len) as u64));
    assert!(!response.keep_alive && out.ends_with(b"}\n"));
}

/// A head is the same however its bytes are cut, and when it is written again.
pub fn response_head(bytes: &[u8]) {
    let whole = Response::parse(bytes, 0);
    let cut = cut(bytes);
    match Response::parse(&bytes[..cut], 0) {
        Ok(None) => assert_eq!(Response::parse(bytes, cut), whole),
        early => assert_eq!(early, whole),
    }
    if let Ok(Some((response, consumed))) = whole {
        assert!(consumed <= bytes.len());
        let mut emitted = Vec::new();
        response.emit(&mut emitted);
        let (again, len) = Response::parse(&emitted, 0).unwrap().unwrap();
        assert_eq!(len, emitted.len());
        let location = response.location;
        let version = Version::V11;
        assert_eq!(
            again,
            Response {
                version,
                location,
                ..response
            }
        );
    }
}

/// What is read from a query, written again, is read the same.
pub fn announce_query(bytes: &[u8]) {
    match query::Announce::parse(bytes) {
        Ok(announce) => {
            assert_ne!(announce.port, 0);
            let mut emitted = Vec::new();
            announce.emit(&mut emitted);
            assert_eq!(query::Announce::parse(&emitted), Ok(announce));
        }
        Err(refusal) => assert!(!refusal.reason().is_empty()),
    }
}

/// What is read from a query, written again, is read the same, and there is an end to it.
pub fn scrape_query(bytes: &[u8]) {
    let mut hashes = Vec::new();
    let read = query::parse_scrape(bytes, &mut hashes);
    assert!(hashes.len() <= query::SCRAPE_HASHES_MAX);
    if read.is_ok() {
        let mut emitted = Vec::new();
        query::emit_scrape(&hashes, &mut emitted);
        let mut again = Vec::new();
        assert_eq!(query::parse_scrape(&emitted, &mut again), Ok(()));
        assert_eq!(again, hashes);
    }
}

/// Whatever is read can be walked to the end, and what follows it is the rest of the bytes.
pub fn bencode(bytes: &[u8]) {
    if let Some((value, rest)) = Value::parse(bytes) {
        assert!(bytes.ends_with(rest) && rest.len() < bytes.len());
        let value_alone = &bytes[..bytes.len() - rest.len()];
        assert_eq!(Value::parse(value_alone), Some((value, &[][..])));
        assert!(walk(value) <= bytes.len());
    }
}

/// How many values there are.
fn walk(value: Value<'_>) -> usize {
    match value {
        Value::Int(_) | Value::Bytes(_) => 1,
        Value::List(list) => 1 + list.iter().map(walk).sum::<usize>(),
        Value::Dict(dict) => {
            for (key, _) in dict.iter() {
                assert!(dict.value(key).is_some());
            }
            1 + dict.iter().map(|(_, value)| walk(value)).sum::<usize>()
        }
    }
}

/// What is read from an answer, written again in either form, is read the same.
pub fn announce_answer(bytes: &[u8]) {
    let mut peers = Peers::default();
    let Some(answer) = answer::Announce::parse(bytes, &mut peers) else {
        return;
    };
    // There is no room for ids in the compact form.
    let bare = Peers {
        ids: Vec::new(),
        ..answer.peers.clone()
    };
    let compact = answer::Announce {
        peers: &bare,
        ..answer
    };
    for asker in [Family::V4, Family::V6] {
        let mut emitted = Vec::new();
        answer.emit_compact(asker, &mut emitted);
        let mut again = Peers::default();
        assert_eq!(answer::Announce::parse(&emitted, &mut again), Some(compact));
    }
    let mut emitted = Vec::new();
    answer.emit_dictionaries(&mut emitted);
    let mut again = Peers::default();
    let again = answer::Announce::parse(&emitted, &mut again).unwrap();
    // Mapped addresses among the IPv6 peers come back as what they are, IPv4.
    assert_eq!(again.peers.len(), answer.peers.len());
}

/// What is read from a failure, written again, is read the same.
pub fn failure(bytes: &[u8]) {
    if let Some(failure) = answer::Failure::parse(bytes) {
        let mut emitted = Vec::new();
        failure.emit(&mut emitted);
        assert_eq!(answer::Failure::parse(&emitted), Some(failure));
    }
}

/// What is read from an answer, written again, is read the same but for order and repetition.
pub fn scrape_answer(bytes: &[u8]) {
    let mut files = Vec::new();
    let Some(answer) = answer::Scrape::parse(bytes, &mut files) else {
        return;
    };
    let mut sorted = answer.files.to_vec();
    sorted.sort_by_key(|file| file.0);
    sorted.dedup_by_key(|file| file.0);
    let mut emitted = Vec::new();
    answer.emit(&mut emitted);
    let mut again = Vec::new();
    let again = answer::Scrape::parse(&emitted, &mut again).unwrap();
    assert_eq!(again.files, sorted);
    assert_eq!(again.min_request_interval, answer.min_request_interval);
}

/// A list of whole peers is read as such, and joined again is the same.
pub fn compact_peers(bytes: &[u8]) {
    for family in [Family::V4, Family::V6] {
        let whole = compact::whole(family, bytes);
        assert_eq!(
            whole.is_some(),
            bytes.len().is_multiple_of(family.peer_len())
        );
        let mut peers = Peers::default();
        match family {
            Family::V4 => peers.v4.extend(whole.unwrap_or_default()),
            Family::V6 => peers.v6.extend(whole.unwrap_or_default()),
        }
        let joined: Vec<u8> = peers
            .iter()
            .flat_map(|peer| peer.bytes().to_vec())
            .collect();
        assert_eq!(joined, whole.unwrap_or_default());
        assert_eq!(peers.len(), joined.len() / family.peer_len());
    }
}

/// Somewhere in the bytes, chosen by the bytes.
fn cut(bytes: &[u8]) -> usize {
    let sum = bytes.iter().fold(bytes.len(), |sum, &byte| {
        sum.wrapping_mul(31) ^ usize::from(byte)
    });
    sum % (bytes.len() + 1)
}

/// Enough of a parsed head to compare heads of buffers of different lengths.
fn target_of(parsed: Option<(Head<'_>, usize)>) -> Option<(Vec<u8>, usize)> {
    parsed.map(|(head, consumed)| (head.target.to_vec(), consumed))
}

/// A list of networks holds the ends of each of them.
pub fn net_list(bytes: &[u8]) {
    let (nets, bad) = Ranges::parse(bytes);
    assert!(nets.len() + bad.total <= bytes.split(|b| *b == b'\n').count());
    let ranges = Ranges::from_iter(nets.iter().copied());
    assert_eq!(ranges.is_empty(), nets.is_empty());
    for end in nets.iter().flat_map(|net| <[u128; 2]>::from(net.ends())) {
        assert!(ranges.contains(std::net::Ipv6Addr::from_bits(end).into()));
    }
}

/// A list holds what its lines begin with, and reports the lines it can't use.
pub fn hash_list(bytes: &[u8]) {
    let (list, bad) = HashList::parse(bytes);
    let lines = bytes.split(|b| *b == b'\n');
    assert!(list.len() + bad.total <= lines.clone().count());
    assert!(bad.first.len() <= bad.total);
    for line in lines.filter_map(|line| line.get(..40)) {
        let digits = line.as_chunks::<2>().0.iter();
        let digits =
            digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        if line.iter().all(u8::is_ascii_hexdigit)
            && let Some(hash) = digits.collect::<Option<Vec<u8>>>()
            && let Ok(hash) = hash.try_into()
        {
            let extra = bad.total > 0;
            assert!(list.contains(&InfoHash(hash)) || extra);
        }
    }
}

/// A list holds the words that its lines begin with, as far as they can be keys.
pub fn key_list(bytes: &[u8]) {
    let (list, bad) = KeyList::parse(bytes, [9; 32]);
    let lines = bytes.split(|b| *b == b'\n');
    assert!(list.len() + bad.total <= lines.clone().count());
    assert!(bad.first.len() <= bad.total);
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    for line in lines {
        let len = line.iter().take_while(|byte| is_key(byte)).count();
        let ends = line.get(len).is_none_or(|byte| b" \t\r".contains(byte));
        let other = [&b"announce"[..], b"scrape"].contains(&&line[..len]);
        if (1..=64).contains(&len) && ends && !other {
            assert!(list.contains(&line[..len]));
        }
    }
    assert!(!list.contains(b"") && !list.contains(b"announce"));
}

/// A key is a part of the URL it is found in, and the same with a slash more.
pub fn tracker_url(bytes: &[u8]) {
    let key = place::key(bytes);
    if let Some(key) = key {
        assert!(key.is_empty() || bytes.windows(key.len()).any(|part| part == key));
    }
    assert_eq!(place::key(&[b"/", bytes].concat()), key);
}

/// Whatever the words, they make a sound configuration or an error that says where.
pub fn command_line(bytes: &[u8]) {
    let words = bytes.split(|b| matches!(b, b' ' | b'\n'));
    let words = words.map(|word| String::from_utf8_lossy(word).into_owned());
    // Files are for the next target; here they would be those of the machine.
    sound(config::parse(
        words.filter(|word| !word.contains(['f', '/'])),
    ));
}

/// The same for a file.
pub fn config_file(bytes: &[u8]) {
    let name = format!("trackerd-fuzz-{}.conf", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("a file to write");
    let outcome = config::parse(["-f".as_ref(), path.as_os_str()]);
    std::fs::remove_file(&path).expect("the file written");
    sound(outcome);
}

fn sound(outcome: Result<Command, trackerd::error::Fatal>) {
    match outcome {
        Ok(Command::Run(config)) => {
            assert!(!config.listens.is_empty());
            let times = config.intervals;
            let jitter = times.jitter_of(times.interval);
            assert!(times.keep_secs(times.interval) > times.interval + jitter);
            assert!(jitter < times.interval);
            assert!(config.numwant_default <= config.numwant_max);
            assert!(config.workers.is_none_or(|workers| workers > 0));
        }
        Ok(_) => {}
        Err(fatal) => {
            assert!(matches!(
                fatal.exit,
                Exit::Usage | Exit::Config | Exit::NoInput
            ));
            assert!(!fatal.at.is_empty() && !fatal.what.is_empty());
        }
    }
}

/// A file of any bytes shows nothing unless it is whole. What is read from a frame, written again,
/// is the same frame; and a file of such a frame is read as it was written.
pub fn snapshot(bytes: &[u8]) {
    let Some(persist) = Persist::new() else {
        return;
    };
    let mut shown = 0;
    let read = persist.read(Cursor::new(bytes), |_, _, _| shown += 1);
    assert!(read.is_ok() || shown == 0);
    let Ok(frame) = snapshot::Frame::parse(bytes) else {
        return;
    };
    let items: Vec<_> = frame.items().map_while(Result::ok).collect();
    let (mut again, mut census) = (Vec::new(), Census::default());
    persist.begin(frame.taken, &mut again);
    for kept in &items {
        match kept {
            Kept::Torrent(_) => census.torrents += 1,
            Kept::Peer(_) => census.peers += 1,
        }
        persist.note(kept, &mut again);
    }
    assert!(bytes.starts_with(&again[snapshot::LENGTH_LEN..]));
    let mut writing = persist.write(7, Vec::new()).unwrap();
    writing.frame(&mut again, census).unwrap();
    let (file, all) = writing.end().unwrap();
    assert_eq!(all, census);
    let mut seen = Vec::new();
    let read = persist.read(Cursor::new(&file), |written, taken, kept| {
        assert_eq!((written, taken), (7, frame.taken));
        seen.push(*kept);
    });
    assert_eq!(read.unwrap(), census);
    assert_eq!(seen, items);
}

/// What is read from a line of a dump, written again, is read the same.
pub fn state_line(bytes: &[u8]) {
    let Some(state) = State::parse(bytes) else {
        return;
    };
    let counts = Counts {
        completed: state.completed,
        ..Counts::default()
    };
    let entry = Entry {
        info_hash: state.info_hash,
        counts,
        idle_secs: 0,
    };
    let mut emitted = Vec::new();
    Format::State.emit(&entry, state.minutes, &mut emitted);
    assert_eq!(State::parse(&emitted), Some(state));
}

/// Requests get the same answers however their bytes are cut. A fuzzer's build alone has what it
/// takes; the unit tests (`net::cuts`) try the same at random.
pub fn whole_connection(bytes: &[u8]) {
    #[cfg(fuzzing)]
    trackerd::net::whole_connection(bytes);
    #[cfg(not(fuzzing))]
    let _ = bytes;
}
