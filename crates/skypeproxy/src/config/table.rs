//! A table of a configuration file, asked for its keys one by one.
//!
//! serde would stop at the first error and knows neither near spellings nor where a value came from.
//! So a table is asked for each key that may be in it; what is wrong is collected, and what nobody
//! asked for is unknown.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::file::SourceFile;
use super::near;
use super::problem::{Origin, Problem};
use super::value::{Value, expected, shown};

/// A table, and what was found in it so far.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    file: &'a SourceFile,
    entries: &'a DeTable<'a>,
    /// Where the table begins, and its name with a point, as in `link.`; none at the top.
    offset: usize,
    prefix: String,
    asked: Vec<&'static str>,
    findings: Findings,
}

/// What reading a table gave beside its values.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Where each key was found, by its full name, as in `login[1].name`; an octet of the file.
    pub(crate) places: BTreeMap<String, usize>,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(crate) fn top(file: &'a SourceFile, entries: &'a DeTable<'a>) -> Self {
        Self::at(file, entries, 0, String::new())
    }

    fn at(file: &'a SourceFile, entries: &'a DeTable<'a>, offset: usize, prefix: String) -> Self {
        Self { file, entries, offset, prefix, asked: Vec::new(), findings: Findings::default() }
    }

    /// A value, if it is there and right.
    pub(crate) fn value<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let (offset, value) = self.find(key)?;
        self.keep(key, offset, T::from_toml(value))
    }

    /// A value that has to be there.
    pub(crate) fn required<T: Value>(&mut self, key: &'static str) -> Option<T> {
        if !self.entries.contains_key(key) {
            let table = self.prefix.trim_end_matches('.');
            let what = format!("`{table}` needs a `{key}`: expected {}", T::EXPECTED);
            self.problem(self.offset, what);
        }
        self.value(key)
    }

    /// A list of values, if it is there; of its elements those that are right.
    pub(crate) fn list<T: Value>(&mut self, key: &'static str, len_max: usize) -> Option<Vec<T>> {
        let (offset, value) = self.find(key)?;
        let Some(list) = value.as_array() else {
            let what = expected(&format!("a list, each element {}", T::EXPECTED), value);
            return self.keep(key, offset, Err(what));
        };
        if list.len() > len_max {
            let what = format!("expected at most {len_max} elements, found {}", list.len());
            return self.keep(key, offset, Err(what));
        }
        let read = |element: &'a toml::Spanned<DeValue<'a>>| {
            let value = T::from_toml(element.get_ref());
            self.keep(key, element.span().start, value)
        };
        Some(list.iter().filter_map(read).collect())
    }

    /// What `read` makes of the table at `key`, if it is there.
    pub(crate) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Table<'_>) -> T,
    ) -> Option<T> {
        let (offset, value) = self.find(key)?;
        let Some(entries) = value.as_table() else {
            return self.keep(key, offset, Err(expected(&format!("a table, [{key}]"), value)));
        };
        let name = self.name(key);
        Some(self.descend(Table::at(self.file, entries, offset, format!("{name}.")), read))
    }

    /// What `read` makes of each of the tables at `key`.
    pub(crate) fn tables<T>(
        &mut self,
        key: &'static str,
        len_max: usize,
        read: impl Fn(&mut Table<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some((offset, value)) = self.find(key) else { return Vec::new() };
        let what = format!("tables, each with [[{key}]] above it");
        let list = value.as_array().filter(|list| list.len() <= len_max);
        let Some(list) = list else {
            let what = match value.as_array() {
                Some(list) => format!("expected at most {len_max} {what}, found {}", list.len()),
                None => expected(&what, value),
            };
            self.problem(offset, format!("`{key}`: {what}"));
            return Vec::new();
        };
        let mut all = Vec::new();
        for (index, element) in list.iter().enumerate() {
            let (offset, name) = (element.span().start, format!("{}[{index}]", self.name(key)));
            let Some(entries) = element.get_ref().as_table() else {
                self.problem(offset, format!("`{name}`: {}", expected(&what, element.get_ref())));
                continue;
            };
            self.findings.places.insert(name.clone(), offset);
            let table = Table::at(self.file, entries, offset, format!("{name}."));
            all.extend(self.descend(table, &read));
        }
        all
    }

    /// Whether `key` has tables, each with its name in two brackets above it.
    pub(crate) fn has_tables(&self, key: &str) -> bool {
        let list = self.entries.get(key).and_then(|value| value.get_ref().as_array());
        list.is_some_and(|list| list.iter().any(|one| one.get_ref().as_table().is_some()))
    }

    /// Whether `key` was asked for.
    pub(crate) fn was_asked(&self, key: &str) -> bool {
        self.asked.contains(&key)
    }

    /// Nothing more will be asked for: what is left is unknown. `explain` may tell more of a key.
    pub(crate) fn finish(mut self, explain: impl Fn(&str) -> Option<String>) -> Findings {
        for (key, _) in self.entries {
            let (offset, key): (_, &str) = (key.span().start, key.get_ref());
            if !self.asked.contains(&key) {
                let hint = explain(key).unwrap_or_else(|| self.known(key));
                let what = format!("unknown key {}{hint}", shown(&self.name(key)));
                self.problem(offset, what);
            }
        }
        self.findings
    }

    /// Where the value of `key` was said, if this table has it.
    pub(crate) fn origin(&self, key: &str) -> Option<Origin> {
        self.findings.places.get(&self.name(key)).map(|offset| self.file.origin(*offset))
    }

    /// Where each key that was asked for stands, by its full name.
    pub(crate) fn origins(&self) -> BTreeMap<String, Origin> {
        let places = self.findings.places.iter();
        places.map(|(name, offset)| (name.clone(), self.file.origin(*offset))).collect()
    }

    /// Whether anything is wrong so far.
    pub(crate) fn has_problems(&self) -> bool {
        !self.findings.problems.is_empty()
    }

    /// Notes what is wrong with a key, by its full name, or with the table if it has no such key.
    pub(crate) fn problem_at(&mut self, name: &str, what: String) {
        self.problem(self.findings.places.get(name).copied().unwrap_or(self.offset), what);
    }

    fn known(&self, key: &str) -> String {
        let hint = near::hint(key, self.asked.iter().copied());
        if !hint.is_empty() {
            return hint;
        }
        let keys = self.asked.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
        format!("; expected one of {}", keys.join(", "))
    }

    fn find(&mut self, key: &'static str) -> Option<(usize, &'a DeValue<'a>)> {
        self.asked.push(key);
        let value = self.entries.get(key)?;
        let offset = value.span().start;
        self.findings.places.insert(self.name(key), offset);
        Some((offset, value.get_ref()))
    }

    fn keep<T>(&mut self, key: &str, offset: usize, value: Result<T, String>) -> Option<T> {
        value.map_err(|what| self.problem(offset, format!("`{}`: {what}", self.name(key)))).ok()
    }

    fn descend<T>(&mut self, mut table: Table<'_>, read: impl Fn(&mut Table<'_>) -> T) -> T {
        let value = read(&mut table);
        let findings = table.finish(|_| None);
        self.findings.places.extend(findings.places);
        self.findings.problems.extend(findings.problems);
        value
    }

    fn problem(&mut self, offset: usize, what: String) {
        let origin = self.file.origin(offset);
        self.findings.problems.push(Problem { origin, what });
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}
