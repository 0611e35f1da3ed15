//! Adds up the `test result:` lines of cargo test.

/// Numbers of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    pub(crate) const NONE: Self = Self { passed: 0, failed: 0, ignored: 0 };

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
        }
    }

    /// Reads `test result: ok. 9 passed; 0 failed; 1 ignored; ...`; any other line counts nothing.
    pub(crate) fn from_line(line: &str) -> Self {
        let Some((_verdict, counts)) =
            line.trim_start().strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return Self::NONE;
        };
        let count = |word: &str| {
            let mut parts = counts.split("; ").filter_map(|part| part.split_once(' '));
            let number = parts.find(|(_, counted)| *counted == word).map(|(number, _)| number);
            number.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        Self { passed: count("passed"), failed: count("failed"), ignored: count("ignored") }
    }

    /// Says how many were left out, if any were.
    pub(crate) fn ignored_note(self) -> String {
        if self.ignored == 0 { String::new() } else { format!(", {} ignored", self.ignored) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_result_lines_only() {
        let line = "test result: FAILED. 16 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.2s";
        assert_eq!(Tally::from_line(line), Tally { passed: 16, failed: 1, ignored: 2 });
        for line in [
            "",
            "test a::b ... ok",
            "test result: ",
            "9 passed; 1 failed",
            "test result: ok. x passed",
        ] {
            assert_eq!(Tally::from_line(line), Tally::NONE, "{line:?}");
        }
    }
}
