//! Answers that come in parts: each question holds a slot until the last part is in.

/// Names a question under way. The generation tells a slot's tenants apart, so that a part for a
/// question given up goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    index: u32,
    generation: u32,
}

/// Questions under way, at most a fixed number of them.
pub struct Gather<Q> {
    places: Vec<Place<Q>>,
    free: Vec<u32>,
    places_max: usize,
}

struct Place<Q> {
    generation: u32,
    tenant: Option<Tenant<Q>>,
}

struct Tenant<Q> {
    question: Q,
    parts_missing: usize,
}

impl<Q> Gather<Q> {
    /// Room for `places_max` questions at a time.
    pub fn new(places_max: usize) -> Gather<Q> {
        Gather {
            places: Vec::new(),
            free: Vec::new(),
            places_max,
        }
    }

    /// Keeps a question until `parts` parts are in; `None` if too many are under way.
    pub fn open(&mut self, question: Q, parts: usize) -> Option<Slot> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() < self.places_max => {
                self.places.push(Place {
                    generation: 0,
                    tenant: None,
                });
                u32::try_from(self.places.len() - 1).ok()?
            }
            None => return None,
        };
        let place = &mut self.places[index as usize];
        place.tenant = Some(Tenant {
            question,
            parts_missing: parts,
        });
        Some(Slot {
            index,
            generation: place.generation,
        })
    }

    /// Adds one part by `add`; the question, when that was the last one.
    pub fn part(&mut self, slot: Slot, add: impl FnOnce(&mut Q)) -> Option<Q> {
        let place = self.places.get_mut(slot.index as usize)?;
        if place.generation != slot.generation {
            return None;
        }
        let tenant = place.tenant.as_mut()?;
        add(&mut tenant.question);
        tenant.parts_missing = tenant.parts_missing.saturating_sub(1);
        if tenant.parts_missing > 0 {
            return None;
        }
        self.close(slot)
    }

    /// Gives a question up; parts that still come are ignored.
    pub fn close(&mut self, slot: Slot) -> Option<Q> {
        let place = self.places.get_mut(slot.index as usize)?;
        if place.generation != slot.generation {
            return None;
        }
        let tenant = place.tenant.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot.index);
        Some(tenant.question)
    }

    /// Gives all questions up, and returns them.
    pub fn close_all(&mut self) -> impl Iterator<Item = Q> {
        let Gather { places, free, .. } = self;
        (0..).zip(places).filter_map(|(index, place)| {
            let tenant = place.tenant.take()?;
            place.generation = place.generation.wrapping_add(1);
            free.push(index);
            Some(tenant.question)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_question_ends_with_its_last_part() {
        let mut gather = Gather::new(2);
        let slot = gather.open(Vec::new(), 2).unwrap();
        assert_eq!(gather.part(slot, |parts| parts.push('a')), None);
        assert_eq!(
            gather.part(slot, |parts| parts.push('b')),
            Some(vec!['a', 'b'])
        );
        assert_eq!(gather.part(slot, |parts| parts.push('c')), None);
    }

    #[test]
    fn slots_are_bounded_and_tell_their_tenants_apart() {
        let mut gather = Gather::new(2);
        let first = gather.open(1, 1).unwrap();
        let _second = gather.open(2, 1).unwrap();
        assert_eq!(gather.open(3, 1), None);
        assert_eq!(gather.close(first), Some(1));
        assert_eq!(gather.close(first), None);
        let third = gather.open(3, 1).unwrap();
        assert_ne!(first, third);
        assert_eq!(
            gather.part(first, |question| *question = 9),
            None,
            "a late part"
        );
        assert_eq!(gather.part(third, |_| ()), Some(3));
    }

    #[test]
    fn all_can_be_given_up_at_once() {
        let mut gather = Gather::new(2);
        let (first, second) = (gather.open(1, 1).unwrap(), gather.open(2, 1).unwrap());
        gather.close(first);
        assert_eq!(gather.close_all().collect::<Vec<_>>(), [2]);
        assert_eq!(gather.part(second, |_| ()), None);
        assert!(gather.open(3, 1).is_some() && gather.open(4, 1).is_some());
        assert_eq!(gather.open(5, 1), None);
    }
}
