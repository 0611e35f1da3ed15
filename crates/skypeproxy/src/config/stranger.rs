//! Variables of the environment that look like settings and are none: most likely slips.

use tracing::warn;

use super::near;

/// What the names of all our variables begin with.
const PREFIX: &str = "SKYPEPROXY_";

/// All variables that are settings of some command.
const KNOWN: [&str; 18] = [
    "SKYPEPROXY_ALLOW",
    "SKYPEPROXY_BRIDGE",
    "SKYPEPROXY_BRIDGE_KEY",
    "SKYPEPROXY_CARRIER",
    "SKYPEPROXY_CLIENT_KEY",
    "SKYPEPROXY_CONFIG",
    "SKYPEPROXY_FORWARD",
    "SKYPEPROXY_KEEP_LOST",
    "SKYPEPROXY_KEY",
    "SKYPEPROXY_LISTEN",
    "SKYPEPROXY_LOG_FORMAT",
    "SKYPEPROXY_MEASURE",
    "SKYPEPROXY_PATHS",
    "SKYPEPROXY_SANDBOX",
    "SKYPEPROXY_SEED",
    "SKYPEPROXY_STATE",
    "SKYPEPROXY_STATUS_SOCKET",
    "SKYPEPROXY_TCP_BUFFERS",
];

/// Warns of each. It is no error: another program's variable may begin so.
pub(super) fn warn_of_variables() {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| is_stranger(name)) {
        // The name alone: a value may be anything.
        warn!("{name} in the environment is no setting{}", hint(&name));
    }
}

fn is_stranger(name: &str) -> bool {
    name.starts_with(PREFIX) && !KNOWN.contains(&name)
}

/// What all names have in common makes none of them likely.
fn hint(name: &str) -> String {
    let rest = |name: &'static str| name.strip_prefix(PREFIX).unwrap_or(name);
    near::hint(name.strip_prefix(PREFIX).unwrap_or(name), KNOWN.map(rest))
        .replace("mean `", "mean `SKYPEPROXY_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_settings_and_from_others_variables() {
        assert!(is_stranger("SKYPEPROXY_FOWARD"));
        assert!(hint("SKYPEPROXY_FOWARD").contains("`SKYPEPROXY_FORWARD`"));
        assert!(!is_stranger("SKYPEPROXY_FORWARD") && !is_stranger("PATH"));
        assert_eq!(hint("SKYPEPROXY_XYZZY"), "");
    }
}
