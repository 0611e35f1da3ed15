//! The word that was probably meant.

/// How alike two words must be for one to be a slip for the other (Jaro and Winkler, 0 to 1): the
/// names of this program's settings are less alike than that.
const LIKENESS_MIN: f64 = 0.8;

/// In a word of this many letters one wrong, missing or swapped letter is a slip, however unlike it
/// makes the word. Shorter ones have too many neighbours.
const SLIP_LETTERS_MIN: usize = 3;

/// `; did you mean ...?`, or nothing.
pub(crate) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates)
        .map_or_else(String::new, |candidate| format!("; did you mean `{candidate}`?"))
}

/// The candidate most like `word`, if any is like it at all.
fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (likeness(&plain(word), &plain(candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

fn likeness(word: &str, candidate: &str) -> f64 {
    let is_slip = candidate.chars().count() >= SLIP_LETTERS_MIN
        && strsim::damerau_levenshtein(word, candidate) <= 1;
    let likeness = strsim::jaro_winkler(word, candidate);
    if is_slip { likeness.max(LIKENESS_MIN) } else { likeness }
}

/// Capitals and hyphens are the commonest slips and hardly any.
fn plain(word: &str) -> String {
    word.to_ascii_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far_fetched() {
        let keys = ["carrier", "bridge", "bridge_key", "listen"];
        for (word, meant) in [
            ("carriers", Some("carrier")),
            ("bridge-key", Some("bridge_key")),
            ("Listen", Some("listen")),
            ("lsiten", Some("listen")),
            ("clisten", Some("listen")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
        assert_eq!(nearest("bbo", ["alice", "bob"]), Some("bob"));
        assert_eq!(nearest("a", ["b", "c"]), None);
    }
}
