//! A configuration file: read within limits, parsed, its places found again by line and column.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use toml::de::DeTable;

use super::problem::{Origin, Problem, Problems};
use crate::exit::{Exit, OrExit, coded};

/// No configuration file is longer, in octets: an overlay of all the logins there may be has less.
const LEN_MAX: u64 = 1024 * 1024;

/// A file's text, and its name as it is shown.
#[derive(Debug)]
pub(crate) struct SourceFile {
    name: String,
    text: String,
    /// Where each line after the first begins.
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// Reads a file, or what a pipe holds.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        // The name may stand in a comment or on a terminal: nothing in it may end the line.
        let name = path.display().to_string().escape_debug().to_string();
        let octets = read_octets(path)
            .map_err(|error| coded(Exit::of_reading(&error), error))
            .with_context(|| format!("cannot read {name}"))?;
        if u64::try_from(octets.len()).unwrap_or(u64::MAX) > LEN_MAX {
            let too_long = Err(anyhow::anyhow!(
                "{name} is no configuration file: it is longer than {LEN_MAX} octets"
            ));
            return too_long.or_exit(Exit::Config);
        }
        Self::from_octets(name, octets).or_exit(Exit::Config)
    }

    fn from_octets(name: String, octets: Vec<u8>) -> anyhow::Result<Self> {
        let (text, is_text) = match String::from_utf8(octets) {
            Ok(text) => (text, true),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let octets = error.as_bytes().get(..valid).unwrap_or_default();
                (String::from_utf8_lossy(octets).into_owned(), false)
            }
        };
        let line_starts = text.match_indices('\n').map(|(at, _)| at.saturating_add(1)).collect();
        let file = Self { name, text, line_starts };
        if !is_text {
            let end = file.origin(file.text.len());
            bail!("{end}: expected UTF-8 text, found an octet that is none");
        }
        Ok(file)
    }

    /// Parses it. A slip in the syntax leaves nothing to look at: the first one is told alone.
    pub(crate) fn parse(&self) -> Result<DeTable<'_>, Problems> {
        DeTable::parse(&self.text).map(toml::Spanned::into_inner).map_err(|error| {
            let origin = self.origin(error.span().unwrap_or_default().start);
            Problem { origin, what: error.message().to_owned() }.into()
        })
    }

    /// Where an octet stands: line and column count from 1.
    pub(crate) fn origin(&self, offset: usize) -> Origin {
        let lines_before = self.line_starts.partition_point(|start| *start <= offset);
        let start = lines_before.checked_sub(1).and_then(|index| self.line_starts.get(index));
        let before = self.text.get(start.copied().unwrap_or(0)..offset).unwrap_or_default();
        let column = before.trim_start_matches('\u{feff}').chars().count().saturating_add(1);
        Origin::File { name: self.name.clone(), line: lines_before.saturating_add(1), column }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

fn read_octets(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    // One octet too many tells that it is too long, however long it is.
    File::open(path)?.take(LEN_MAX.saturating_add(1)).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(octets: &[u8]) -> anyhow::Result<SourceFile> {
        SourceFile::from_octets("c.toml".to_owned(), octets.to_vec())
    }

    #[test]
    fn an_octet_is_found_by_line_and_column() {
        let text = "\u{feff}a\r\nbäc\n\n";
        let file = file(text.as_bytes()).unwrap();
        for (found, place) in [("a", (1, 1)), ("b", (2, 1)), ("c", (2, 3))] {
            let Origin::File { line, column, .. } = file.origin(text.find(found).unwrap()) else {
                panic!("not in the file")
            };
            assert_eq!((line, column), place, "{found}");
        }
        assert_eq!(file.origin(text.len()).to_string(), "c.toml, line 4, column 1");
        assert_eq!(file.origin(text.len() + 9).to_string(), "c.toml, line 4, column 1");
    }

    #[test]
    fn what_is_no_text_is_found_as_well() {
        let error = file(b"seed = 1\nname = \"\xff\"").unwrap_err().to_string();
        assert!(error.starts_with("c.toml, line 2, column 9: expected UTF-8"), "{error}");
    }
}
