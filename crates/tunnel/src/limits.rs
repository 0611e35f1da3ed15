//! How long sessions outlive their paths, and how many at once.

use std::time::Duration;

use ap2ap_tokio::{Config, EndpointConfig};

/// A session whose paths are all gone is kept for so long unless told otherwise: relays that a censor blocked are
/// replaced, a laptop is opened again.
pub const LOST_KEPT: Duration = Duration::from_secs(600);

/// Sessions without a path that are kept at once: each may hold as much as its streams' windows allow.
pub const LOST_MAX: usize = 256;

/// The endpoint of a client or a bridge whose sessions outlive their paths for `lost_kept`, which begins when the
/// silence is long enough to tell. Zero: sessions end with their last path.
#[must_use]
pub fn endpoint_config(lost_kept: Duration) -> EndpointConfig {
    let mut config = Config::default();
    config.answer_timeout = config.answer_timeout.saturating_add(lost_kept);
    config.idle_timeout = config.idle_timeout.map(|after| after.saturating_add(lost_kept));
    let mut config = EndpointConfig::from(config);
    config.lost_max = if lost_kept.is_zero() { 0 } else { LOST_MAX };
    config
}
