//! Open files: the limit that the system gives is raised to what a command may need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socks_front::Config;
use tracing::{debug, warn};
use tunnel::{REQUESTS_MAX, STREAMS_MAX};

/// Standard streams, the runtime's own, carriers, listeners, files that are read: some 30 in all.
const RESERVE: usize = 64;

/// Descriptors that a client may need: one for each request and each SOCKS handshake.
pub(crate) const CLIENT: usize = REQUESTS_MAX + Config::HALF_OPEN_MAX + RESERVE;

/// Descriptors of the name look-ups under way: tokio runs 512 at most, each asks by two sockets.
const LOOKUPS: usize = 2 * 512;

/// Descriptors that a bridge may need: one for each stream, and those of look-ups.
pub(crate) const BRIDGE: usize = STREAMS_MAX + LOOKUPS + RESERVE;

/// Descriptors that the demo may need: a client's, a bridge's, and those of the page behind it.
pub(crate) const DEMO: usize = CLIENT + BRIDGE + STREAMS_MAX;

/// Descriptors that an overlay of so many logins may need.
pub(crate) const fn overlay(logins: usize) -> usize {
    logins.saturating_mul(1 + skype_emu::CLIENTS_PER_LOGIN_MAX).saturating_add(RESERVE)
}

/// Raises the limit of open files to `needed`, or as far as it goes, and says so if that is not
/// enough.
pub(crate) fn raise(needed: usize) {
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    if let Some(limit) = raised(getrlimit(Resource::Nofile), needed) {
        // Whether it worked is looked at below.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    match getrlimit(Resource::Nofile).current {
        Some(current) if current < needed => warn!(
            limit = current,
            needed,
            "few files may be open, so that connections may be refused when there are many: \
             raise the hard limit (ulimit -Hn, LimitNOFILE= in a unit)"
        ),
        current => debug!(limit = current, needed, "enough files may be open"),
    }
}

/// What the limit should be instead, if it is too low and can be higher. `None` in a limit is
/// infinity.
fn raised(limit: Rlimit, needed: u64) -> Option<Rlimit> {
    let current = limit.current?;
    let wanted = limit.maximum.map_or(needed, |maximum| needed.min(maximum));
    (current < wanted).then_some(Rlimit { current: Some(wanted), maximum: limit.maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_up_to_what_is_needed_and_never_down() {
        let raise = |current, maximum| {
            let raised = raised(Rlimit { current, maximum }, 3000)?;
            assert_eq!(raised.maximum, maximum);
            raised.current
        };
        assert_eq!(raise(Some(1024), Some(4096)), Some(3000));
        assert_eq!(raise(Some(1024), None), Some(3000));
        assert_eq!(raise(Some(1024), Some(2000)), Some(2000));
        assert_eq!(raise(Some(2000), Some(2000)), None);
        assert_eq!(raise(Some(4000), Some(4096)), None);
        assert_eq!(raise(None, None), None);
    }
}
