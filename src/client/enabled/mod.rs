//! Trackers by their URLs, and what they have by HTTP.

pub mod url;
pub mod web;
