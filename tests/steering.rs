//! The kernel and the router agree on who owns a torrent.

#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use trackerd::router::Owners;
use trackerd::sys::{socket, steer};
use trackerd::types::InfoHash;

/// A steered group, or `None` where the kernel doesn't steer (it says so loudly).
fn group(members: usize, owners: &Owners, any: &str) -> Option<Vec<UdpSocket>> {
    let first = socket::udp(any.parse().unwrap()).unwrap();
    let addr = first.local_addr().unwrap();
    let mut group = vec![first];
    group.extend((1..members).map(|_| socket::udp(addr).unwrap()));
    match steer::attach(&group[0], owners.odd_key(), members as u32) {
        Ok(()) => Some(group),
        Err(error) => {
            eprintln!("SKIPPED: this kernel does not steer datagrams: {error}");
            None
        }
    }
}

/// Loopback delivers while sending, so the datagram is at one of the members.
fn taker(group: &[UdpSocket]) -> usize {
    let mut bytes = [0; 2048];
    let takers = group
        .iter()
        .enumerate()
        .filter(|(_, socket)| match socket.recv(&mut bytes) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        });
    let takers: Vec<_> = takers.map(|(index, _)| index).collect();
    assert_eq!(takers.len(), 1, "one datagram, one taker");
    takers[0]
}

fn send(any: &str, to: SocketAddr, bytes: &[u8]) {
    UdpSocket::bind(any).unwrap().send_to(bytes, to).unwrap();
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn kernel_and_router_agree(
        members in 1..=16usize,
        key in any::<u32>(),
        hashes in prop::collection::vec(any::<[u8; 20]>(), 1..20),
        tail in 0..200usize,
        v6 in any::<bool>(),
    ) {
        let any = if v6 { "[::1]:0" } else { "127.0.0.1:0" };
        let owners = Owners::new(members, key);
        let Some(group) = group(members, &owners, any) else { return Ok(()) };
        let to = group[0].local_addr().unwrap();
        for hash in hashes {
            let datagram = [&[7; 16][..], &hash, &vec![9; tail]].concat();
            send(any, to, &datagram);
            prop_assert_eq!(taker(&group), owners.owner(&InfoHash(hash)));
        }
    }
}

#[test]
fn short_datagrams_spread() {
    let owners = Owners::new(4, 0x6b43_a9b5);
    let Some(group) = group(4, &owners, "127.0.0.1:0") else {
        return;
    };
    let to = group[0].local_addr().unwrap();
    let mut taken = [0; 4];
    for transaction in 0..200u32 {
        let transaction = transaction.wrapping_mul(0x9e37_79b9).to_be_bytes();
        send("127.0.0.1:0", to, &[&[0; 12][..], &transaction].concat());
        taken[taker(&group)] += 1;
    }
    assert!(taken.iter().all(|n| *n > 20), "{taken:?}");
    for len in 0..36 {
        send("127.0.0.1:0", to, &vec![1; len]);
        taker(&group);
    }
}
