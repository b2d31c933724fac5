//! There is no meta-tracker in this build.

/// Proof that the room is in this build: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {}

impl Built {
    /// `None`.
    pub fn here() -> Option<Built> {
        None
    }
}
