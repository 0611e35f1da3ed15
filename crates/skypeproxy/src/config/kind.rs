//! Whose configuration a file is: a client's, a bridge's or an overlay's.

use std::fmt;

use clap::ValueEnum;
use toml::de::DeTable;

use super::{bridge, client, overlay};

/// Which command a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// For `skypeproxy client`.
    Client,
    /// For `skypeproxy bridge`.
    Bridge,
    /// For `skypeproxy overlay`.
    Overlay,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Client, Self::Bridge, Self::Overlay];

    /// What may stand at the top of such a file.
    pub(crate) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Client => &client::KEYS,
            Self::Bridge => &bridge::KEYS,
            Self::Overlay => &overlay::KEYS,
        }
    }

    /// The one kind with most of a file's keys; none if two have as many.
    pub(crate) fn of(table: &DeTable<'_>) -> Option<Self> {
        let count =
            |kind: &Self| kind.keys().iter().filter(|key| table.contains_key(**key)).count();
        let best = Self::ALL.iter().map(count).max().filter(|best| *best > 0)?;
        let mut kinds = Self::ALL.into_iter().filter(|kind| count(kind) == best);
        kinds.next().filter(|_| kinds.next().is_none())
    }

    /// What to say of a key that a file of this kind does not have, but one of another kind.
    pub(crate) fn hint(self, key: &str) -> Option<String> {
        let owner = Self::ALL.into_iter().find(|kind| kind.keys().contains(&key))?;
        (owner != self).then(|| format!(": it belongs in {owner}, and this is read as {self}"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "a client's configuration",
            Self::Bridge => "a bridge's configuration",
            Self::Overlay => "an overlay's configuration",
        })
    }
}
