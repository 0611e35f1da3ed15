//! What a line of the collection holds. A field that this test does not know is an error, and so is one that it lacks.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) cat: Category,
    /// How good the source is.
    #[expect(dead_code, reason = "for who reads the collection")]
    kind: String,
    #[expect(dead_code, reason = "for who reads the collection")]
    src: String,
    #[expect(dead_code, reason = "for who reads the collection")]
    note: Option<String>,
    /// The protocol that was agreed upon, where it matters.
    pub(crate) proto: Option<u32>,
    /// Lines have `<N x "a">` for so many characters.
    #[serde(default)]
    pub(crate) template: bool,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    pub(crate) line: Option<String>,
    pub(crate) parsed: Option<Map<String, Value>>,
    /// What the pieces carry; null if nothing comes of them.
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) events: Vec<Event>,
    pub(crate) expect: Option<Expect>,
    pub(crate) call: Option<Call>,
    pub(crate) then: Option<Call>,
    pub(crate) signal: Option<Signal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Category {
    Ap2ap,
    User,
    Attach,
    Generic,
    Parse,
    X11,
    Id,
    Dbus,
}

/// Who, which way, what; or that nothing comes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step(pub(crate) String, pub(crate) Way, pub(crate) Option<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Way {
    #[serde(rename = ">")]
    Says,
    #[serde(rename = "<")]
    Hears,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) atom: String,
    pub(crate) format: u8,
    pub(crate) hex: String,
    /// Whose it is, where there are several senders.
    #[serde(default, alias = "win")]
    pub(crate) window: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expect {
    Discard,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    pub(crate) bus: Option<String>,
    pub(crate) dest: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) iface: Option<String>,
    pub(crate) member: String,
    pub(crate) sig_in: Option<String>,
    pub(crate) sig_out: Option<String>,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    #[serde(default)]
    pub(crate) returns: Vec<String>,
    pub(crate) error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signal {
    pub(crate) sender: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) iface: Option<String>,
    pub(crate) member: String,
    #[serde(default)]
    pub(crate) args: Vec<String>,
}

impl Vector {
    pub(crate) fn read(line: &str) -> Result<Self, String> {
        let mut vector: Self = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if vector.template {
            for text in vector.steps.iter_mut().filter_map(|step| step.2.as_mut()) {
                *text = expanded(text)?;
            }
            if let Some(text) = &mut vector.line {
                *text = expanded(text)?;
            }
        }
        Ok(vector)
    }
}

/// The text with every `<N x "a">` written out.
fn expanded(text: &str) -> Result<String, String> {
    let Some((before, rest)) = text.split_once('<') else { return Ok(text.to_owned()) };
    let (mark, after) = rest.split_once("\">").ok_or("a template without its end")?;
    let (count, what) = mark.split_once(" x \"").ok_or("a template without its text")?;
    let count: usize = count.parse().map_err(|_| "a template without its number")?;
    if count.saturating_mul(what.len()) > 10_000_000 {
        return Err("a template of more than 10 MB".to_owned());
    }
    Ok(format!("{before}{}{}", what.repeat(count), expanded(after)?))
}
