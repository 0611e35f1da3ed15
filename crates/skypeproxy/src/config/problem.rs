//! Where values come from, and what is wrong with them.

use std::fmt;

/// No more problems are shown at once.
const SHOWN_MAX: usize = 20;

/// Where a value was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// In a file; line and column count from 1, the column in characters.
    File { name: String, line: usize, column: usize },
    /// In a variable of the environment.
    Environment(&'static str),
    /// On the command line.
    Flag(&'static str),
    /// Nowhere.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line, column } => write!(f, "{name}, line {line}, column {column}"),
            Self::Environment(name) => write!(f, "environment, {name}"),
            Self::Flag(flag) => write!(f, "command line, {flag}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    pub(crate) origin: Origin,
    pub(crate) what: String,
}

/// All that is wrong with a configuration, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok` if there is none. They are put in the order in which they stand in the file.
    pub(crate) fn none(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for Problem { origin, what } in self.0.iter().take(SHOWN_MAX) {
            write!(f, "{between}{origin}: {what}")?;
            between = "\n";
        }
        let more = self.0.len().saturating_sub(SHOWN_MAX);
        if more > 0 {
            write!(f, "\nand {more} more")?;
        }
        Ok(())
    }
}
