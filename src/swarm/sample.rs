//! Which peers an answer lists.
//!
//! All places where peers lie are thought of as a ring, cut into as many arcs as the sample needs,
//! at a random angle; from a random peer of each arc on, its share is taken:
//!
//! ```text
//!          ╭─ ▪ ▪ ▪ ─┬─ ▫ ▫ ▪ ─╮        ▪ drawn
//!          │  arc    │         │        ▫ not drawn
//!          ╰─ ▪ ▪ ▫ ─┴─ ▪ ▪ ▪ ─╯
//! ```
//!
//! Arcs don't overlap, so nobody is drawn twice; the cost depends on the sample and not on the
//! swarm; everybody is as likely to be drawn. In a large table a share is a few neighbours on
//! one cache line: as tables are ordered by a keyed hash, neighbours have nothing in common.

use crate::types::{Peers, Want};

use super::clock::Moment;
use super::dice::Dice;
use super::peer::Peer;
use super::table::{Place, Slot, Table};

/// Places, some of which hold a peer, in a ring.
pub trait Ring {
    /// Who is here.
    type Peer: Peer;
    /// A place.
    type Spot: Copy + PartialEq;
    /// Peers to take from one arc, unless there are few arcs.
    const SHARE: usize;
    /// The fewest peers worth an arc.
    const ARC: usize;

    /// How many peers there are.
    fn len(&self) -> usize;
    /// The place at an angle, of which `u32::MAX` is nearly all round; there must be peers.
    fn spot(&self, angle: u32) -> Self::Spot;
    /// The next place.
    fn next(&self, spot: Self::Spot) -> Self::Spot;
    /// The peer there.
    fn at(&self, spot: Self::Spot) -> Option<&Self::Peer>;
}

/// The peers of one family in one torrent.
#[derive(Clone, Copy)]
pub struct Groups<'a, R: ?Sized> {
    pub seeders: &'a R,
    pub leechers: &'a R,
}

/// Who asks, and for what.
pub struct Question<'a, P> {
    /// The peer itself.
    pub asker: &'a P,
    /// Whether it has been let in.
    pub stored: bool,
    /// Whether seeders are of use to it.
    pub seeders: bool,
    pub want: Want,
    pub moment: Moment,
}

/// Draws a sample from the asker's family, and from the other if that is wanted: this gets a
/// quarter if it has as many, and all that the first can't fill. While there are peers that have
/// been silent for too long and were not yet swept up, a list may be shorter than it could be.
pub fn draw<P, R, O>(
    question: &Question<'_, P>,
    own: Groups<'_, R>,
    other: Groups<'_, O>,
    dice: &mut Dice,
    found: &mut Peers,
) where
    P: Peer,
    R: Ring<Peer = P> + ?Sized,
    O: Ring<Peer = P::Other> + ?Sized,
{
    let &Question {
        asker,
        want,
        moment,
        ..
    } = question;
    let numwant = usize::from(want.numwant);
    let lens = |seeders, leechers| [if question.seeders { seeders } else { 0 }, leechers];
    // A leecher is among its own, and not to be counted.
    let leechers = own
        .leechers
        .len()
        .saturating_sub(usize::from(question.stored && !asker.is_seeder()));
    let near = lens(own.seeders.len(), leechers);
    let far = lens(other.seeders.len(), other.leechers.len());
    let far_len = if want.both { far[0] + far[1] } else { 0 };
    let reserved = far_len.min((numwant + dice.below(4) as usize) / 4);
    let near_len = (near[0] + near[1]).min(numwant - reserved);
    let fit = Fit { moment, asker };
    let drawn = draw_groups(own, near, near_len, fit, dice, found);
    if far_len > 0 {
        let asker = &P::Other::EMPTY;
        let fit = Fit { moment, asker };
        draw_groups(other, far, far_len.min(numwant - drawn), fit, dice, found);
    }
}

/// Who may be drawn: a type rather than a closure for each family, of which each would be a copy
/// of all that follows.
#[derive(Clone, Copy)]
struct Fit<'a, P> {
    moment: Moment,
    /// Nobody, where that is the other family.
    asker: &'a P,
}

impl<P: Peer> Fit<'_, P> {
    fn admits(&self, peer: &P) -> bool {
        !self.moment.is_stale(peer.state()) && !peer.is_same(self.asker)
    }
}

/// Draws `want` of both groups in proportion to their lengths, of each a quarter at least if it
/// has as many; `want` is not more than there are. Fractions are rounded by chance, so that
/// everybody may be the one peer of a small sample.
fn draw_groups<R: Ring + ?Sized>(
    groups: Groups<'_, R>,
    [seeders, leechers]: [usize; 2],
    want: usize,
    fit: Fit<'_, R::Peer>,
    dice: &mut Dice,
    found: &mut Peers,
) -> usize {
    let all = (seeders + leechers) as u64;
    if want == 0 || all == 0 {
        return 0;
    }
    let chance = u64::from(dice.below(all as u32));
    let share = ((want as u64 * seeders as u64 + chance) / all) as usize;
    let share = share
        .max(seeders.min(want / 4))
        .min(want - leechers.min(want / 4));
    let share = share.min(seeders).max(want - leechers.min(want));
    let drawn = draw_ring(groups.seeders, share, fit, dice, found);
    drawn + draw_ring(groups.leechers, want - drawn, fit, dice, found)
}

/// Draws `want` peers of a ring, or as many as are fit.
fn draw_ring<R: Ring + ?Sized>(
    ring: &R,
    want: usize,
    fit: Fit<'_, R::Peer>,
    dice: &mut Dice,
    found: &mut Peers,
) -> usize {
    if want == 0 || ring.len() == 0 {
        return 0;
    }
    let lens = (found.v4.len(), found.v6.len());
    let arcs = want.div_ceil(R::SHARE).min(ring.len() / R::ARC).max(1);
    let drawn = draw_arcs(ring, arcs, want, fit, dice, found);
    if drawn == want || arcs == 1 {
        return drawn;
    }
    // Some arcs had too few: take a single one, the whole ring, where nothing is out of reach.
    found.v4.truncate(lens.0);
    found.v6.truncate(lens.1);
    draw_arcs(ring, 1, want, fit, dice, found)
}

/// Tries for a random peer before an arc is simply followed from its beginning.
const TRIES: usize = 8;
/// Places without a fit peer that are passed over in an arc, as a bound of the work.
const MISSES_MAX: [usize; 2] = [4096, 64];

fn draw_arcs<R: Ring + ?Sized>(
    ring: &R,
    arcs: usize,
    want: usize,
    fit: Fit<'_, R::Peer>,
    dice: &mut Dice,
    found: &mut Peers,
) -> usize {
    let angle = dice.word();
    let width = ((1 << 32) / arcs as u64) as u32;
    let mut drawn = 0;
    for arc in 1..=arcs {
        let quota = want * arc / arcs - drawn;
        let start = angle.wrapping_add(width.wrapping_mul(arc as u32 - 1));
        let end = if arc == arcs {
            angle
        } else {
            start.wrapping_add(width)
        };
        let bounds = (ring.spot(start), ring.spot(end));
        if arcs > 1 && bounds.0 == bounds.1 || quota == 0 {
            continue;
        }
        let span = if arcs == 1 {
            u32::MAX
        } else {
            end.wrapping_sub(start)
        };
        let is_fit = |&spot: &R::Spot| ring.at(spot).is_some_and(|peer| fit.admits(peer));
        let in_arc = |spot: &R::Spot| arcs == 1 || *spot != bounds.1;
        let first = (0..TRIES)
            .map(|_| ring.spot(start.wrapping_add(dice.below(span))))
            .find(|spot| in_arc(spot) && is_fit(spot))
            .unwrap_or(bounds.0);
        drawn += follow(
            ring,
            first,
            bounds,
            quota,
            MISSES_MAX[usize::from(arcs > 1)],
            found,
            fit,
        );
    }
    drawn
}

/// Takes fit peers from `first` on to the end of the arc, and from its beginning up to `first`.
fn follow<R: Ring + ?Sized>(
    ring: &R,
    first: R::Spot,
    (start, end): (R::Spot, R::Spot),
    quota: usize,
    mut misses: usize,
    found: &mut Peers,
    fit: Fit<'_, R::Peer>,
) -> usize {
    let mut drawn = 0;
    let mut spot = first;
    loop {
        match ring.at(spot) {
            Some(peer) if fit.admits(peer) => {
                peer.append(found);
                drawn += 1;
            }
            _ if misses == 0 => return drawn,
            _ => misses -= 1,
        }
        spot = ring.next(spot);
        if spot == end {
            spot = start;
        }
        if spot == first || drawn == quota {
            return drawn;
        }
    }
}

impl<P: Peer> Ring for [P] {
    type Peer = P;
    type Spot = usize;
    const SHARE: usize = 8;
    const ARC: usize = 32;

    fn len(&self) -> usize {
        self.len()
    }

    fn spot(&self, angle: u32) -> usize {
        ((u64::from(angle) * self.len() as u64) >> 32) as usize
    }

    fn next(&self, spot: usize) -> usize {
        if spot + 1 == self.len() { 0 } else { spot + 1 }
    }

    fn at(&self, spot: usize) -> Option<&P> {
        self.get(spot)
    }
}

impl<P: Peer> Ring for Table<P> {
    type Peer = P;
    type Spot = Place;
    const SHARE: usize = 8;
    const ARC: usize = 32;

    fn len(&self) -> usize {
        self.len() as usize
    }

    fn spot(&self, angle: u32) -> Place {
        self.home(angle)
    }

    fn next(&self, spot: Place) -> Place {
        self.next(spot)
    }

    fn at(&self, spot: Place) -> Option<&P> {
        Some(self.at(spot)).filter(|peer| !peer.is_empty())
    }
}
