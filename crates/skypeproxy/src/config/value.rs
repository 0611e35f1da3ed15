//! Values as texts on the command line and in the environment, and as TOML in files.

use std::net::SocketAddr;
use std::path::PathBuf;

use ap2ap_stream::PublicKey;
use carrier::PeerId;
use toml::de::DeValue;
use tunnel::TcpBuffers;

use super::near;
use crate::carriers::CarrierSpec;

/// No more of a wrong value is shown, in characters.
const SHOWN_MAX: usize = 60;

/// What a setting can be set to.
pub(crate) trait Value: Sized {
    /// What is expected, as in "expected ...".
    const EXPECTED: &'static str;

    /// Reads it from the command line or the environment.
    ///
    /// # Errors
    /// What was expected, and what is wrong.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads it from a file.
    ///
    /// # Errors
    /// As [`from_text`](Self::from_text).
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match value.as_str() {
            Some(text) => Self::from_text(text),
            None => Err(expected(Self::EXPECTED, value)),
        }
    }

    /// As a file says it, on one line; none if TOML cannot.
    fn to_toml(&self) -> Option<String>;
}

/// "expected ..., found a list".
pub(crate) fn expected(what: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(text) => shown(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    format!("expected {what}, found {found}")
}

/// A text between quotation marks, cut where it gets long.
pub(crate) fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN_MAX).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    format!("{start:?}")
}

/// One of a few words.
pub(crate) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words = choices.iter().map(|(word, _)| *word);
        let list = words.clone().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        format!("expected one of {list}, found {}{}", shown(text), near::hint(text, words))
    })
}

/// The word for a value, as TOML.
pub(crate) fn word<T: PartialEq>(value: T, choices: &[(&str, T)]) -> Option<String> {
    let found = choices.iter().find(|(_, choice)| *choice == value);
    found.map(|(word, _)| quoted(word))
}

/// A text as TOML, on one line: a comment is to follow.
pub(crate) fn quoted(text: &str) -> String {
    let mut toml = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => toml.extend(['\\', c]),
            c if c.is_control() => toml.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => toml.push(c),
        }
    }
    toml.push('"');
    toml
}

/// A list as TOML.
pub(crate) fn listed<T: Value>(values: &[T]) -> Option<String> {
    let values = values.iter().map(Value::to_toml).collect::<Option<Vec<_>>>()?;
    Some(format!("[{}]", values.join(", ")))
}

impl Value for CarrierSpec {
    const EXPECTED: &'static str = "a carrier, \"skype:unix:PATH\", \"skype:dbus:[ADDRESS]\", \"skype:x11:[DISPLAY]\" or \"udp:IP:PORT\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| {
            let scheme = text.split(':').next().unwrap_or_default();
            let hint =
                if SCHEMES.contains(&scheme) { String::new() } else { near::hint(scheme, SCHEMES) };
            format!("{error}, found {}{hint}", shown(text))
        })
    }

    fn to_toml(&self) -> Option<String> {
        match self {
            Self::SkypeUnix(path) => Some(quoted(&format!("skype:unix:{}", path.to_str()?))),
            Self::SkypeDbus(_) | Self::SkypeX11(_) | Self::Udp(_) => {
                Some(quoted(&self.to_string()))
            }
        }
    }
}

/// What carriers and the peers they reach begin with.
const SCHEMES: [&str; 2] = ["skype", "udp"];

impl Value for PeerId {
    const EXPECTED: &'static str = "a bridge, \"skype:LOGIN\" or \"udp:IP:PORT\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong =
            |hint: &str| format!("expected {}, found {}{hint}", Self::EXPECTED, shown(text));
        let peer: Self = text.parse().map_err(|_| wrong(""))?;
        match peer.scheme() {
            "skype" => Ok(peer),
            "udp" => match peer.address().parse::<SocketAddr>() {
                Ok(addr) if addr.port() != 0 && !addr.ip().is_unspecified() => Ok(peer),
                Ok(_) => Err(wrong("; neither the address nor the port may be 0")),
                Err(_) => Err(wrong("; a name is not looked up, and [ ] stand around IPv6")),
            },
            other => Err(wrong(&near::hint(other, SCHEMES))),
        }
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Value for PublicKey {
    const EXPECTED: &'static str = "a public key, as `skypeproxy keygen` printed it";

    fn from_text(text: &str) -> Result<Self, String> {
        // A secret key may have been pasted here: nothing of the text is shown.
        text.parse().map_err(|error| format!("expected {}; {error}", Self::EXPECTED))
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Value for TcpBuffers {
    const EXPECTED: &'static str = "\"small\" or \"system\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &TCP_BUFFERS)
    }

    fn to_toml(&self) -> Option<String> {
        word(*self, &TCP_BUFFERS)
    }
}

const TCP_BUFFERS: [(&str, TcpBuffers); 2] =
    [("small", TcpBuffers::Small), ("system", TcpBuffers::System)];

impl Value for SocketAddr {
    const EXPECTED: &'static str = "\"IP:PORT\", such as \"127.0.0.1:1080\" or \"[::1]:1080\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected {}, found {}", Self::EXPECTED, shown(text)))
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "the path of a file";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') {
            return Err(format!("expected {}, found {}", Self::EXPECTED, shown(text)));
        }
        Ok(text.into())
    }

    fn to_toml(&self) -> Option<String> {
        self.to_str().map(quoted)
    }
}

impl Value for String {
    const EXPECTED: &'static str = "a text";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Value for u64 {
    const EXPECTED: &'static str = "a whole number from 0 to 9223372036854775807";

    fn from_text(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
        number.ok_or_else(|| format!("expected {}, found {}", Self::EXPECTED, shown(text)))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let parse = |number: &toml::de::DeInteger<'_>| {
            i64::from_str_radix(number.as_str(), number.radix()).ok()
        };
        let number = value.as_integer().and_then(parse).and_then(|number| number.try_into().ok());
        number.ok_or_else(|| expected(Self::EXPECTED, value))
    }

    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected {}, found {}", Self::EXPECTED, shown(text)))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| expected(Self::EXPECTED, value))
    }

    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for f64 {
    const EXPECTED: &'static str = "a number";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected {}, found {}", Self::EXPECTED, shown(text)))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let text = match value {
            DeValue::Float(number) => number.as_str(),
            // Whole numbers need no point, but other radixes have no place here.
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return Err(expected(Self::EXPECTED, value)),
        };
        text.parse().map_err(|_| expected(Self::EXPECTED, value))
    }

    fn to_toml(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}
