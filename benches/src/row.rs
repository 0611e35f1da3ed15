//! A figure that is asked for, and what there is, over many seeds.

use std::fmt::Write as _;

use crate::figure::{median, quantile};

/// A figure that is asked for, over all seeds.
#[derive(Clone, Debug)]
pub struct Row {
    /// Of what.
    pub what: String,
    /// What is asked.
    pub asked: Asked,
    /// Of whom it is asked.
    pub of: Of,
    /// The median of all seeds,
    pub median: f64,
    /// and the worst one.
    pub worst: f64,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
}

/// Of whom something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The median of the seeds.
    Median,
    /// Each of them.
    Each,
}

impl Asked {
    /// The figure itself.
    #[must_use]
    pub const fn bound(self) -> f64 {
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }

    /// Whether more is better.
    #[must_use]
    pub const fn is_share(self) -> bool {
        matches!(self, Self::AtLeast(_))
    }

    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

impl Row {
    /// What is asked of the median of what was seen.
    #[must_use]
    pub fn of_median(what: &str, asked: Asked, seen: &[f64]) -> Self {
        Self::new(what, asked, Of::Median, seen)
    }

    /// What is asked of everything that was seen.
    #[must_use]
    pub fn of_each(what: &str, asked: Asked, seen: &[f64]) -> Self {
        Self::new(what, asked, Of::Each, seen)
    }

    fn new(what: &str, asked: Asked, of: Of, seen: &[f64]) -> Self {
        let worst = quantile(seen, if asked.is_share() { 0.0 } else { 1.0 });
        Self { what: what.to_owned(), asked, of, median: median(seen), worst }
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.asked.is_met_by(match self.of {
            Of::Median => self.median,
            Of::Each => self.worst,
        })
    }
}

/// A table for people.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from("| what | asked | median | worst | met |\n|---|---|---|---|---|\n");
    for row in rows {
        let asked = match row.asked {
            Asked::AtLeast(bound) => format!(">= {bound}"),
            Asked::AtMost(bound) => format!("<= {bound}"),
        };
        let met = if row.is_met() { "yes" } else { "**no**" };
        let Row { what, median, worst, .. } = row;
        let _ = writeln!(text, "| {what} | {asked} | {median:.3} | {worst:.3} | {met} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_seed_counts_only_where_all_are_asked() {
        let seen = [0.9, 0.95, 0.5];
        assert!(Row::of_median("share", Asked::AtLeast(0.9), &seen).is_met());
        assert!(!Row::of_each("share", Asked::AtLeast(0.9), &seen).is_met());
        assert!(!Row::of_median("time", Asked::AtMost(0.8), &seen).is_met());
        assert!(Row::of_each("time", Asked::AtMost(0.95), &seen).is_met());
    }

    #[test]
    fn what_was_never_seen_is_not_met() {
        assert!(!Row::of_median("share", Asked::AtLeast(0.0), &[]).is_met());
        assert!(!Row::of_each("time", Asked::AtMost(5.0), &[1.0, f64::INFINITY]).is_met());
    }
}
