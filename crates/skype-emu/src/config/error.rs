//! What can be wrong with an overlay's configuration.

use skype_api::NameError;

/// A value that cannot be, with its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number is out of range.
    #[error("{key} = {value}: must be from {min} to {max}")]
    Range {
        /// Which key.
        key: String,
        /// What it says.
        value: String,
        /// The least it may say.
        min: String,
        /// The most it may say.
        max: String,
    },
    /// A login's name is none.
    #[error("{key} = {name:?} is no Skype name: {source}")]
    Name {
        /// Which key.
        key: String,
        /// What it says.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// The same name, socket or pair stands there twice.
    #[error("{key} = {value:?} stands there twice")]
    Twice {
        /// Which key.
        key: String,
        /// What it says.
        value: String,
    },
    /// A link to somebody who is not there.
    #[error("{key} names {name:?}, but no login has that name")]
    UnknownLogin {
        /// Which key.
        key: String,
        /// The name.
        name: String,
    },
    /// A key that means something only beside another one.
    #[error("{key} has no meaning without {other}")]
    Needs {
        /// Which key.
        key: String,
        /// What it needs.
        other: String,
    },
    /// Keys of which one at most may be said.
    #[error("{key} cannot stand beside {other}: choose one")]
    Exclusive {
        /// Which key.
        key: String,
        /// The other one.
        other: String,
    },
    /// A text with a blank or a control in it.
    #[error("{key}: a blank or a control character at octet {at}")]
    Text {
        /// Which key.
        key: String,
        /// Where.
        at: usize,
    },
    /// Nobody is logged in.
    #[error("there is no login: add at least one [[login]] with a name and a socket")]
    NoLogin,
}

impl ConfigError {
    /// Which key is wrong, with its tables, as in `login[1].name`: they count from 0.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Range { key, .. }
            | Self::Name { key, .. }
            | Self::Twice { key, .. }
            | Self::UnknownLogin { key, .. }
            | Self::Needs { key, .. }
            | Self::Exclusive { key, .. }
            | Self::Text { key, .. } => key,
            Self::NoLogin => "login",
        }
    }
}
