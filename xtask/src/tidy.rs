//! `cargo xtask tidy`: fails on broken layers and untidy files, and only reports sizes.

mod reach;
mod sizes;
mod text;

use std::path::Path;

use anyhow::Result;

use crate::{Outcome, layers, tree};

/// Checks the whole tree and prints each problem with what to do about it.
pub(crate) fn run(root: &Path) -> Result<Outcome> {
    let mut problems = layers::check(root)?;
    let mut large = Vec::new();
    for path in tree::files(root, &["rs", "toml", "md"])? {
        let content = tree::read(&path)?;
        let shown = path.strip_prefix(root).unwrap_or(&path).display();
        problems.extend(text::untidy(&content).map(|problem| format!("{shown}:{problem}")));
        if path.extension().is_some_and(|extension| extension == "rs") {
            let purposeless = text::without_purpose(&content);
            problems.extend(purposeless.map(|problem| format!("{shown}:{problem}")));
            problems.extend(reach::unsafe_to_reach(&shown.to_string(), &content));
            large.extend(sizes::large(&content).map(|size| format!("{shown}:{size}")));
        }
    }
    for size in &large {
        println!("note: {size}");
    }
    for problem in &problems {
        println!("error: {problem}");
    }
    println!("tidy: {} to mend, {} above the usual size", problems.len(), large.len());
    Ok(if problems.is_empty() { Outcome::Clean } else { Outcome::Failed })
}
