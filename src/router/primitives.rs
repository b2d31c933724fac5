//! What letter boxes are made of. The models of `tests/models` put their own in its place, and so
//! see every order in which workers can do things.

pub use std::sync::atomic::AtomicBool;

pub use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
