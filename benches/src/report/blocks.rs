//! Figures in pages that people write: what stands between two marks is the report's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Begins a block; its name and ` -->` follow.
const BEGIN: &str = "<!-- report: ";
const END: &str = "<!-- end of report -->";

/// What stands in a page, by the names of its blocks.
pub(super) type Blocks = BTreeMap<&'static str, String>;

/// Why a page cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BlockError {
    /// Nothing is measured by this name.
    #[error("line {line}: nothing in the report is called {name:?}")]
    Unknown {
        /// What the page calls it.
        name: String,
        /// Where.
        line: usize,
    },
    /// It stands there twice.
    #[error("line {line}: {name:?} stands in the page already")]
    Twice {
        /// What the page calls it.
        name: String,
        /// Where.
        line: usize,
    },
    /// A block begins before the one before has ended, or a line ends none.
    #[error("line {line}: a block begins and ends by `{BEGIN}NAME -->` and `{END}`, in turn")]
    Unbalanced {
        /// Where.
        line: usize,
    },
    /// Figures that the page has no place for.
    #[error("the page has no block {name:?}")]
    Missing {
        /// Of which name.
        name: &'static str,
    },
}

/// The page with every block's content replaced.
///
/// # Errors
///
/// [`BlockError`] where the page's marks and `blocks` are not the same names, each once.
pub(super) fn fill(page: &str, blocks: &Blocks) -> Result<String, BlockError> {
    let mut out = String::new();
    let mut left: Blocks = blocks.clone();
    let mut is_open = false;
    let mut number = 0;
    for (index, line) in page.lines().enumerate() {
        number = index + 1;
        let unbalanced = BlockError::Unbalanced { line: number };
        if line == END {
            is_open = if is_open { false } else { return Err(unbalanced) };
        } else if let Some(name) = line.strip_prefix(BEGIN) {
            if is_open {
                return Err(unbalanced);
            }
            let name = name.strip_suffix(" -->").ok_or(unbalanced)?;
            let content = left.remove(name).ok_or_else(|| unfit(blocks, name, number))?;
            let _ = writeln!(out, "{line}\n\n{}\n", content.trim_end());
            is_open = true;
            continue;
        } else if is_open {
            continue;
        }
        let _ = writeln!(out, "{line}");
    }
    match left.first_key_value() {
        _ if is_open => Err(BlockError::Unbalanced { line: number }),
        Some((name, _)) => Err(BlockError::Missing { name }),
        None => Ok(out),
    }
}

fn unfit(blocks: &Blocks, name: &str, line: usize) -> BlockError {
    let is_known = blocks.contains_key(name);
    let name = name.to_owned();
    if is_known { BlockError::Twice { name, line } } else { BlockError::Unknown { name, line } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "before\n<!-- report: rates -->\n\nold\n\n<!-- end of report -->\nafter\n";

    fn blocks(names: &[&'static str]) -> Blocks {
        names.iter().map(|name| (*name, format!("of {name}\n"))).collect()
    }

    #[test]
    fn what_stands_between_the_marks_is_replaced_and_nothing_else() {
        let filled =
            "before\n<!-- report: rates -->\n\nof rates\n\n<!-- end of report -->\nafter\n";
        assert_eq!(fill(PAGE, &blocks(&["rates"])).as_deref(), Ok(filled));
        assert_eq!(fill(filled, &blocks(&["rates"])).as_deref(), Ok(filled));
    }

    #[test]
    fn a_page_and_its_figures_have_the_same_names() {
        let unknown = BlockError::Unknown { name: "rates".to_owned(), line: 2 };
        assert_eq!(fill(PAGE, &blocks(&["times"])), Err(unknown));
        let missing = BlockError::Missing { name: "times" };
        assert_eq!(fill(PAGE, &blocks(&["rates", "times"])), Err(missing));
        let twice = BlockError::Twice { name: "rates".to_owned(), line: 9 };
        assert_eq!(fill(&PAGE.repeat(2), &blocks(&["rates"])), Err(twice));
    }

    #[test]
    fn a_block_ends_before_another_begins() {
        let open = PAGE.replace(END, "");
        assert_eq!(fill(&open, &blocks(&["rates"])), Err(BlockError::Unbalanced { line: 7 }));
        let twice = format!("<!-- report: times -->\n{PAGE}");
        let nested = fill(&twice, &blocks(&["rates", "times"]));
        assert_eq!(nested, Err(BlockError::Unbalanced { line: 3 }));
        let closed = fill("<!-- end of report -->\n", &Blocks::new());
        assert_eq!(closed, Err(BlockError::Unbalanced { line: 1 }));
    }
}
