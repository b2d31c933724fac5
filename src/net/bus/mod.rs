//! A worker's end of the bus: news of its own torrents go into one ring, and what other nodes told
//! comes out of another. In neither does it wait for anybody. What it learns is no news, so it is
//! never told again.

#[cfg(not(feature = "bus"))]
mod disabled;
#[cfg(feature = "bus")]
mod lane;
#[cfg(feature = "bus")]
mod ring;

#[cfg(not(feature = "bus"))]
pub use disabled::Lane;
#[cfg(feature = "bus")]
pub use {
    lane::{Lane, Learned},
    ring::Ring,
};
