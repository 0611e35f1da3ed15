//! The four places a setting can come from, asked in order: command line, environment, file, default.
//!
//! clap could read the environment as well, but names the flag where a variable is wrong, and takes
//! an empty one for a value.

use std::collections::BTreeMap;
use std::ffi::OsString;

use toml::de::DeTable;

use super::file::SourceFile;
use super::kind::Kind;
use super::problem::{Origin, Problem, Problems};
use super::table::Table;
use super::value::{Value, shown};

/// What a setting is called, in each place.
#[derive(Debug)]
pub(crate) struct Key {
    /// In a file.
    pub(crate) name: &'static str,
    /// On the command line.
    pub(crate) flag: &'static str,
    /// In the environment.
    pub(crate) variable: &'static str,
}

/// A setting that is needed and nowhere said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing {
    pub(crate) key: &'static Key,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// A value, and where it was said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

impl<T> Setting<T> {
    pub(crate) const fn default(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }
}

/// Which variables count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    /// Those of the process.
    OfProcess,
    /// None: a file is looked at for itself.
    Ignored,
}

impl Environment {
    /// A variable's value; one that is empty counts as unset.
    pub(crate) fn get(self, variable: &str) -> Option<OsString> {
        match self {
            Self::OfProcess => std::env::var_os(variable).filter(|value| !value.is_empty()),
            Self::Ignored => None,
        }
    }
}

/// Where settings are looked for, and what was wrong there so far.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    environment: Environment,
    /// A file and whose it is.
    file: Option<(Kind, Table<'a>)>,
    problems: Vec<Problem>,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(
        environment: Environment,
        file: Option<(Kind, &'a SourceFile, &'a DeTable<'a>)>,
    ) -> Self {
        let file = file.map(|(kind, file, entries)| (kind, Table::top(file, entries)));
        Self { environment, file, problems: Vec::new() }
    }

    /// A single value. What a file says is read even where it does not count, for it may be wrong;
    /// a variable only where it does, so that the command line gets past a wrong one.
    pub(crate) fn value<T: Value>(&mut self, key: &Key, flag: Option<T>) -> Option<Setting<T>> {
        let filed = self.table().and_then(|table| {
            let value = table.value(key.name)?;
            Some(Setting { value, origin: table.origin(key.name)? })
        });
        if let Some(value) = flag {
            return Some(Setting { value, origin: Origin::Flag(key.flag) });
        }
        let said = self.variable(key).and_then(|text| self.keep(key, T::from_text(&text)));
        let said = said.map(|value| Setting { value, origin: Origin::Environment(key.variable) });
        said.or(filed)
    }

    /// A list of at most `len_max` elements, which stand between blanks in the environment. One
    /// place says all of it. An empty one is none. What the file has is passed over if it was asked for as
    /// something else.
    pub(crate) fn list<T: Value>(
        &mut self,
        key: &Key,
        flags: Vec<T>,
        len_max: usize,
    ) -> Option<Setting<Vec<T>>> {
        let filed = self.table().filter(|table| !table.was_asked(key.name)).and_then(|table| {
            let value = table.list(key.name, len_max)?;
            Some(Setting { value, origin: table.origin(key.name)? })
        });
        let found = if !flags.is_empty() {
            Some(Setting { value: flags, origin: Origin::Flag(key.flag) })
        } else if let Some(text) = self.variable(key) {
            let words = text.split_whitespace();
            let value = words.filter_map(|word| self.keep(key, T::from_text(word))).collect();
            Some(Setting { value, origin: Origin::Environment(key.variable) })
        } else {
            filed
        };
        let found = found.filter(|setting| !setting.value.is_empty())?;
        if found.value.len() > len_max {
            let what = format!("expected at most {len_max} elements, found {}", found.value.len());
            self.problem(found.origin.clone(), what);
        }
        Some(found)
    }

    /// The file's table, for what only a file can say.
    pub(crate) fn table(&mut self) -> Option<&mut Table<'a>> {
        self.file.as_mut().map(|(_, table)| table)
    }

    /// Where each key of the file was found.
    pub(crate) fn origins(&self) -> BTreeMap<String, Origin> {
        self.file.as_ref().map(|(_, table)| table.origins()).unwrap_or_default()
    }

    /// Notes what is wrong with a value from anywhere.
    pub(crate) fn problem(&mut self, origin: Origin, what: String) {
        self.problems.push(Problem { origin, what });
    }

    /// Everything that was wrong.
    pub(crate) fn finish(mut self) -> Result<(), Problems> {
        if let Some((kind, table)) = self.file {
            self.problems.extend(table.finish(|key| kind.hint(key)).problems);
        }
        Problems::none(self.problems)
    }

    /// A variable's text, if it is set to any.
    fn variable(&mut self, key: &Key) -> Option<String> {
        let text = self.environment.get(key.variable)?.into_string();
        text.map_err(|octets| {
            let what = format!("expected UTF-8 text, found {}", shown(&octets.to_string_lossy()));
            self.problem(Origin::Environment(key.variable), what);
        })
        .ok()
        .filter(|text| !text.trim().is_empty())
    }

    fn keep<T>(&mut self, key: &Key, value: Result<T, String>) -> Option<T> {
        value.map_err(|what| self.problem(Origin::Environment(key.variable), what)).ok()
    }
}
