//! Endpoints over in-memory and UDP carriers: what an application sees of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's helpers may panic")]

mod datagrams;
mod gate;
mod hostile;
mod lifecycle;
mod moves;
mod paths;
mod silence;
mod support;
mod transfer;
