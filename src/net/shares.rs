//! Who may hold how much of the memory that is for torrents and peers.
//!
//! It is shared out anew every second: each worker may hold what it holds and an equal part of what
//! is free, so that no shard starves while others have more than they need.

use std::sync::{Mutex, PoisonError};

use crate::swarm::Room;

/// What the workers have of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What all shards together may hold.
    pub room: Room,
    /// What the connections of one worker may hold.
    pub held_bytes_max: usize,
}

/// Who holds how much of the stores' part.
#[derive(Debug, Default)]
pub struct Shares(Mutex<Vec<Share>>);

#[derive(Clone, Copy, Debug)]
struct Share {
    held: Room,
    /// What it may hold at present.
    claimed: Room,
}

const NOTHING: Room = Room {
    bytes: 0,
    torrents: 0,
    peers: 0,
};

impl Shares {
    /// For so many workers.
    pub fn new(workers: usize) -> Shares {
        let share = Share {
            held: NOTHING,
            claimed: NOTHING,
        };
        Shares(Mutex::new(vec![share; workers]))
    }

    /// What worker `me`, who holds so much, may hold from now on, so that all together never may
    /// hold more than `total`, but for what they hold already.
    pub fn claim(&self, me: usize, held: Room, total: Room) -> Room {
        if total == Room::UNLIMITED {
            return total;
        }
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shares[me].held = held;
        let share = |part: fn(&Room) -> u64| {
            let workers = shares.len() as u64;
            let (held, total) = (part(&held), part(&total));
            let all: u64 = shares.iter().map(|share| part(&share.held)).sum();
            let others = shares
                .iter()
                .enumerate()
                .filter(|(worker, _)| *worker != me);
            let others: u64 = others.map(|(_, share)| part(&share.claimed)).sum();
            let fair = match total.checked_sub(all) {
                Some(free) => held + free / workers,
                None => held.saturating_sub((all - total).div_ceil(workers)),
            };
            fair.min(total.saturating_sub(others).max(held.min(total)))
        };
        let bytes = match total.bytes {
            usize::MAX => usize::MAX,
            _ => share(|room| room.bytes as u64) as usize,
        };
        let count = |part: fn(&Room) -> u64, whole: u32| match whole {
            u32::MAX => u32::MAX,
            _ => share(part) as u32,
        };
        let claimed = Room {
            bytes,
            torrents: count(|room| room.torrents.into(), total.torrents),
            peers: count(|room| room.peers.into(), total.peers),
        };
        shares[me].claimed = claimed;
        claimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: usize) -> Room {
        Room {
            bytes,
            ..Room::UNLIMITED
        }
    }

    fn held(bytes: usize) -> Room {
        Room { bytes, ..NOTHING }
    }

    #[test]
    fn an_uneven_shard_gets_what_others_leave() {
        let shares = Shares::new(4);
        let mut holds = [0; 4];
        let mut claims = [0; 4];
        for round in 0..60 {
            for me in 0..4 {
                claims[me] = shares.claim(me, held(holds[me]), bytes(1000)).bytes;
                assert!(claims.iter().sum::<usize>() <= 1000, "{claims:?}");
                assert!(claims[me] >= holds[me]);
                // The last one wants everything, the others hardly anything.
                holds[me] = if me == 3 {
                    claims[3]
                } else {
                    10.min(claims[me])
                };
            }
            assert!(round > 0 || claims == [250; 4]);
        }
        assert!(holds[3] > 950, "{holds:?}");
        // What it gives back is there for others.
        holds[3] = 100;
        for _ in 0..3 {
            for me in 0..4 {
                claims[me] = shares.claim(me, held(holds[me]), bytes(1000)).bytes;
            }
        }
        assert!(claims.iter().all(|&claim| claim > 200), "{claims:?}");
    }

    #[test]
    fn a_lower_total_is_met_by_all() {
        let shares = Shares::new(2);
        let total = bytes(100);
        for me in [0, 1, 0, 1] {
            shares.claim(me, held(100), total);
        }
        for me in 0..2 {
            assert_eq!(shares.claim(me, held(100), total).bytes, 50);
        }
        assert_eq!(shares.claim(0, held(100), Room::UNLIMITED), Room::UNLIMITED);
    }
}
