//! What only some crates may name: the connection that proves nothing must not be reachable from the
//! binary.

const UNAUTHENTICATED: &str = "UnauthenticatedConnection";

/// Where the name may stand: the crate that has it, measurements, and this rule.
const MAY_NAME_IT: [&str; 3] = ["crates/ap2ap-stream/", "benches/", "xtask/src/tidy/"];

/// The lines of a file that name what its crate must not reach (AP-122).
pub(super) fn unsafe_to_reach(shown: &str, content: &str) -> Vec<String> {
    if !shown.starts_with("crates/") || MAY_NAME_IT.iter().any(|may| shown.starts_with(may)) {
        return Vec::new();
    }
    let named = content.lines().zip(1..).filter(|(line, _)| line.contains(UNAUTHENTICATED));
    named
        .map(|(_, number)| format!("{shown}:{number}: {UNAUTHENTICATED} authenticates nobody"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AP-122.
    #[test]
    fn the_binary_and_what_it_is_made_of_may_not_name_the_unauthenticated_connection() {
        let line = format!("\nuse ap2ap_stream::{UNAUTHENTICATED};\n");
        let found = unsafe_to_reach("crates/tunnel/src/client.rs", &line);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/tunnel/src/client.rs:2:"));
        assert!(unsafe_to_reach("crates/ap2ap-stream/src/lib.rs", &line).is_empty());
        assert!(unsafe_to_reach("crates/tunnel/src/client.rs", "use ap2ap_stream::*;").is_empty());
    }
}
