//! Live sync between two trackers, each in a network namespace of its own, joined by a cable.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::for_workers;
use crate::harness::http::Http;
use crate::harness::netns::{Cable, End};
use crate::harness::peer::{Announce, Event, InfoHash, percent, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::{Counts, Udp};
use crate::harness::{PATIENCE, eventually, has_ipv6, uninterrupted, xml};

for_workers!(
    peers_of_one_are_found_at_the_other,
    packets_are_heeded_if_they_are_a_nodes,
    nodes_can_change,
);

/// The first end of the cable, the second, and another address at the first.
const HERE: &str = "10.77.0.1";
const THERE: &str = "10.77.0.2";
const STRANGER: &str = "10.77.0.3";

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 0, 23, 5), 9696);

/// Records of a full packet.
const FULL: u16 = 52;
const FULL6: u16 = 36;

/// `None`, said loudly, where there can be no namespaces; and without the feature, where a start
/// must be refused.
fn cable() -> Option<Cable> {
    if cfg!(feature = "cluster") {
        return Cable::new([&[HERE, STRANGER], &[THERE]]).filter(|_| has_ipv6());
    }
    for (line, key) in [
        (
            "livesync.cluster.listen 127.0.0.1",
            "livesync.cluster.listen",
        ),
        (
            "livesync.cluster.node_ip 127.0.0.1",
            "livesync.cluster.node_ip",
        ),
    ] {
        let ended = Setup::new().setting(line).run();
        let part = format!("trackerd.conf:2: {key}: needs the feature `cluster`");
        assert!(
            ended.code == Some(78) && ended.stderr.contains(&part),
            "{ended:?}"
        );
    }
    None
}

fn setup(end: &End, address: &str, workers: usize) -> Setup {
    let listen = format!("livesync.cluster.listen {address}");
    Setup::both_families()
        .setting(&listen)
        .workers(workers)
        .inside(end)
}

/// What a tracker is asked by those who sit beside it.
struct Clients {
    udp: Udp,
    udp6: Udp,
    http: Http,
}

impl Clients {
    fn of(tracker: &Tracker, end: &End) -> Clients {
        end.inside(|| Clients {
            udp: Udp::connect(tracker.udp()),
            udp6: Udp::connect(tracker.udp6()),
            http: Http::connect(tracker.tcp()),
        })
    }

    #[track_caller]
    fn wait_for(&self, info_hash: InfoHash, seeders: u32, leechers: u32, completed: u32) {
        let expected = Counts {
            seeders,
            completed,
            leechers,
        };
        eventually(&format!("{expected:?}"), || {
            self.udp.scrape(&[info_hash]) == [expected]
        });
    }

    /// IPv4 and IPv6 together, of a line of the counters.
    fn count(&mut self, name: &str) -> u64 {
        let text = self.http.get("/stats?mode=counters").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let numbers = line.unwrap().trim_start_matches(": ").split(' ');
        numbers.map(|number| number.parse::<u64>().unwrap()).sum()
    }

    #[track_caller]
    fn wait_for_count(&mut self, name: &str, count: u64) {
        eventually(&format!("{name}: {count}"), || self.count(name) == count);
    }
}

/// A socket in the group, at the interface of this address.
fn member(end: &End, address: &str) -> UdpSocket {
    let interface = address.parse().unwrap();
    end.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from(GROUP).into()).unwrap();
        socket.join_multicast_v4(GROUP.ip(), &interface).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.into()
    })
}

/// A socket that sends to the group from this address.
fn sender(end: &End, address: &str) -> UdpSocket {
    let interface: Ipv4Addr = address.parse().unwrap();
    end.inside(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_multicast_if_v4(&interface).unwrap();
        socket.set_multicast_loop_v4(false).unwrap();
        socket
            .bind(&SocketAddr::from((interface, 0)).into())
            .unwrap();
        socket.connect(&SocketAddr::from(GROUP).into()).unwrap();
        socket.into()
    })
}

#[track_caller]
fn next_packet(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut room = [0; 2000];
    let (len, from) = uninterrupted(|| socket.recv_from(&mut room)).unwrap();
    (room[..len].to_vec(), from)
}

/// A packet as documented.
fn packet(tracker_id: [u8; 4], kind: u8, records: &[Vec<u8>]) -> Vec<u8> {
    [&tracker_id[..], &[0, 0, 0, kind], &records.concat()].concat()
}

fn record(info_hash: InfoHash, ip: &[u8], port: u16, flags: u8) -> Vec<u8> {
    [&info_hash[..], ip, &port.to_be_bytes(), &[flags, 0]].concat()
}

/// The number that statistics tell a tracker by, in the order of its machine, which is ours.
fn tracker_id(clients: &mut Clients) -> [u8; 4] {
    let text = clients.http.get("/stats?mode=everything").text();
    let leaves = xml::leaves(&text);
    let (_, id) = leaves
        .iter()
        .find(|(name, _)| name.ends_with("tracker_id"))
        .unwrap();
    id.parse::<u32>().unwrap().to_ne_bytes()
}

fn peers_of_one_are_found_at_the_other(workers: usize) {
    let Some(cable) = cable() else { return };
    let (a, b) = (cable.end(0), cable.end(1));
    let node = format!("livesync.cluster.node_ip {THERE}");
    let here = setup(a, HERE, workers).setting(&node).start();
    // Whoever is blessed with everything is a node as well.
    let there = setup(b, THERE, workers).arg("-A").arg(HERE);
    let there = there.setting("access.stats 127.0.0.1").start();
    let (mut near, mut far) = (Clients::of(&here, a), Clients::of(&there, b));
    let (wire, id) = (member(b, THERE), tracker_id(&mut near));
    let (hash, hash6) = (torrent(1), torrent(2));

    // As many as make a packet full, so that it leaves at once.
    let seeder = Announce::seeder(hash, 7000).event(Event::Completed);
    near.udp.announce(&seeder);
    for port in 7001..7000 + FULL {
        near.udp
            .announce(&Announce::leecher(hash, port).event(Event::Started));
        // Whom they know already is no news.
        near.udp.announce(&seeder);
    }
    let records: Vec<_> = (0..FULL)
        .map(|n| {
            record(
                hash,
                &[127, 0, 0, 1],
                7000 + n,
                if n == 0 { 0xc0 } else { 0 },
            )
        })
        .collect();
    let (bytes, from) = next_packet(&wire);
    assert_eq!(bytes, packet(id, 0, &records));
    assert_eq!(from, format!("{HERE}:9696").parse().unwrap());
    far.wait_for(hash, 1, u32::from(FULL) - 1, 1);
    let told = far
        .udp
        .announce(&Announce::leecher(hash, 9999).numwant(200));
    assert!(
        told.peers.contains(&"127.0.0.1:7000".parse().unwrap()),
        "{told:?}"
    );
    far.udp
        .announce(&Announce::leecher(hash, 9999).event(Event::Stopped));

    // The same for IPv6, which goes the same way.
    near.udp6.announce(&Announce::seeder(hash6, 7000));
    for port in 7001..7000 + FULL6 {
        near.udp6.announce(&Announce::leecher(hash6, port));
    }
    let mut lo = [0; 16];
    lo[15] = 1;
    let records: Vec<_> = (0..FULL6)
        .map(|n| record(hash6, &lo, 7000 + n, if n == 0 { 0x80 } else { 0 }))
        .collect();
    assert_eq!(next_packet(&wire).0, packet(id, 1, &records));
    far.wait_for(hash6, 1, u32::from(FULL6) - 1, 0);
    let told = far.udp6.announce(&Announce::leecher(hash6, 9999));
    assert!(
        told.peers.contains(&"[::1]:7000".parse().unwrap()),
        "{told:?}"
    );

    // Who leaves is gone from both; that one had completed is remembered.
    for port in 7000..7000 + FULL {
        near.udp
            .announce(&Announce::leecher(hash, port).event(Event::Stopped));
    }
    far.wait_for(hash, 0, 0, 1);
    let stopped: Vec<_> = (0..FULL)
        .map(|n| record(hash, &[127, 0, 0, 1], 7000 + n, 0x20))
        .collect();
    assert_eq!(next_packet(&wire).0, packet(id, 0, &stopped));

    let records = u64::from(2 * FULL + FULL6);
    assert_eq!(
        (far.count("sync records"), far.count("sync received")),
        (records, 3)
    );
    assert_eq!((near.count("sync sent"), near.count("sync unsent")), (3, 0));
    let syncs = far.http.get("/stats?mode=syncs").text();
    assert!(syncs.starts_with(&format!("{records}\n0\n")), "{syncs}");
    let everything = xml::leaves(&far.http.get("/stats?mode=everything").text());
    let livesync = everything
        .iter()
        .find(|(name, _)| name.ends_with("livesync/count"));
    assert_eq!(*livesync.unwrap().1, records.to_string());

    // What waits for a packet to be full is told before the end.
    near.udp.announce(&Announce::seeder(hash, 8000));
    here.stop();
    far.wait_for(hash, 1, 0, 1);
    let bad = ["sync refused", "sync malformed", "sync denied"];
    assert_eq!(bad.map(|name| far.count(name)), [0; 3]);
    there.stop();
}

fn packets_are_heeded_if_they_are_a_nodes(workers: usize) {
    let Some(cable) = cable() else { return };
    let (a, b) = (cable.end(0), cable.end(1));
    let (hash, banned, example) = (torrent(1), torrent(2), [1; 20]);
    let there = setup(b, THERE, workers);
    let list = there.path("list");
    let there = there
        .file("list", &percent(&banned).replace('%', ""))
        .setting(&format!("access.blacklist {}", list.display()))
        .setting(&format!("livesync.cluster.node_ip {HERE}"))
        .start();
    let mut far = Clients::of(&there, b);
    let (node, stranger) = (sender(a, HERE), sender(a, STRANGER));
    let ip = [10, 0, 0, 7];
    let one = |hash, flags| record(hash, &ip, 6881, flags);

    // Packets come in the order they were sent.
    stranger
        .send(&packet([1; 4], 0, &[one(hash, 0x80)]))
        .unwrap();
    far.wait_for_count("sync refused", 1);
    let own = tracker_id(&mut far);
    node.send(&packet(own, 0, &[one(hash, 0x80)])).unwrap();
    node.send(b"not of our kind").unwrap();
    node.send(&packet([1; 4], 2, &[one(hash, 0x80)])).unwrap();
    far.wait_for_count("sync malformed", 2);
    let mixed = [one(banned, 0x80), record(hash, &ip, 0, 0x80), vec![7; 20]];
    node.send(&packet([1; 4], 0, &mixed)).unwrap();
    far.wait_for_count("sync malformed", 4);
    far.wait_for_count("sync denied", 1);
    let nobody = Counts {
        seeders: 0,
        completed: 0,
        leechers: 0,
    };
    assert_eq!(far.udp.scrape(&[hash, banned]), [nobody; 2]);

    // The packet that opentracker was seen to send, twice: a seeder that has just completed.
    let mut recorded = vec![0xd6, 0xa7, 0x85, 0x40, 0, 0, 0, 0];
    for _ in 0..10 {
        recorded.extend([1; 20]);
        recorded.extend([0x7f, 0, 0, 1, 0x1a, 0xe1, 0xc0, 0]);
    }
    assert_eq!(recorded.len(), 288);
    node.send(&recorded).unwrap();
    node.send(&recorded).unwrap();
    far.wait_for_count("sync records", 21);
    far.wait_for(example, 1, 0, 1);
    // Others have it from the one who sent it: it is not told again, not even at the end.
    let (wire, id) = (member(a, HERE), tracker_id(&mut far));
    let told = far.udp.announce(&Announce::leecher(example, 7000));
    assert_eq!(told.peers, ["127.0.0.1:6881".parse().unwrap()]);
    far.udp.announce(&Announce::seeder(example, 6881));
    // No longer there, and an IPv6 peer, whose family makes no difference to the group.
    let gone = record(example, &[127, 0, 0, 1], 6881, 0x20);
    node.send(&packet([1; 4], 0, &[gone])).unwrap();
    far.wait_for(example, 0, 1, 1);
    let ip6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let six = record(example, &ip6, 6881, 0x80);
    node.send(&packet([1; 4], 1, &[six])).unwrap();
    far.wait_for(example, 1, 1, 1);
    there.stop();
    let news = record(example, &[127, 0, 0, 1], 7000, 0);
    let (bytes, from) = next_packet(&wire);
    assert_eq!(bytes, packet(id, 0, &[news]));
    assert_eq!(from, format!("{THERE}:9696").parse().unwrap());
}

fn nodes_can_change(workers: usize) {
    let Some(cable) = cable() else { return };
    let (a, b) = (cable.end(0), cable.end(1));
    let there = setup(b, THERE, workers).start();
    there.wait_for_line("no other tracker is believed");
    let mut far = Clients::of(&there, b);
    let node = sender(a, STRANGER);
    let seeder = |hash| packet([1; 4], 0, &[record(hash, &[10, 0, 0, 7], 6881, 0x80)]);
    node.send(&seeder(torrent(1))).unwrap();
    far.wait_for_count("sync refused", 1);
    let listen = "listen.tcp_udp 127.0.0.1:0\nlisten.tcp_udp [::1]:0\n";
    there.configure(&format!(
        "{listen}livesync.cluster.listen {THERE}:9697\nlivesync.cluster.node_ip 10.77.0.0/24\n\
         batchsync.cluster.admin_ip 10.1.1.1\n"
    ));
    there.reload("reload: done");
    there.wait_for_line("livesync.cluster.listen: the change takes effect at the next start");
    there.wait_for_line("batchsync.cluster.admin_ip: this setting has no effect");
    // Workers change their minds one after the other.
    eventually("all workers believe it", || {
        (1..20).all(|n| {
            node.send(&seeder(torrent(n))).unwrap();
            far.udp.scrape(&[torrent(n)])[0].seeders == 1
        })
    });
    there.stop();
}
