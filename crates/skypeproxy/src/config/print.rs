//! A resolved configuration as TOML, with where each value came from beside it.

use anyhow::anyhow;

use super::problem::Origin;
use super::sources::{Key, Setting};
use super::value::{Value, listed};
use crate::exit::{Exit, coded};

/// Lines of TOML.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    text: String,
    /// The first key whose value TOML cannot say.
    unprintable: Option<String>,
}

impl Printer {
    /// A value, or how to set it.
    pub(crate) fn value<T: Value>(&mut self, key: &Key, setting: Option<&Setting<T>>) {
        match setting {
            Some(setting) => self.pair(key.name, setting.value.to_toml(), &setting.origin),
            None => self.unset(key),
        }
    }

    /// A list, or how to set it.
    pub(crate) fn list<T: Value>(&mut self, key: &Key, setting: Option<&Setting<Vec<T>>>) {
        match setting {
            Some(setting) => {
                self.pair(key.name, listed(&setting.value), &setting.origin);
            }
            None => self.unset(key),
        }
    }

    /// `name = value`, and where it came from.
    pub(crate) fn pair(&mut self, name: &str, value: Option<String>, origin: &Origin) {
        match value {
            Some(value) => self.line(&format!("{name} = {value}  # {origin}")),
            None => {
                self.unprintable.get_or_insert_with(|| name.to_owned());
            }
        }
    }

    /// A line as it is.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// All lines.
    ///
    /// # Errors
    /// A value cannot be said in TOML.
    pub(crate) fn finish(self) -> anyhow::Result<String> {
        match self.unprintable {
            None => Ok(self.text),
            Some(name) => {
                let error = anyhow!("`{name}` is no UTF-8 text and cannot be printed as TOML");
                Err(coded(Exit::Config, error))
            }
        }
    }

    fn unset(&mut self, key: &Key) {
        let Key { name, flag, variable } = key;
        self.line(&format!("# {name} is not set: {flag}, {variable} or {name} = here"));
    }
}
