//! How the Skypes of an overlay behave where real ones differed, by version or by chance.

use serde::Deserialize;
use skype_api::{AppNews, Line, Message};

use super::{ConfigError, range};
use crate::overlay::PROTOCOL_MAX;

/// What the last Skype for Linux whose API the references describe in full says of itself.
const VERSION: &str = "2.2.0.35";

/// What a recorded SENDING counted beside the 4 octets that were written and the 2 of the printed examples.
const RECORDED_OCTETS: u64 = 22;

/// The ways of every Skype of an overlay.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SkypeConfig {
    /// What GET SKYPEVERSION answers.
    pub version: String,
    /// The highest protocol; who asks for more gets this.
    pub protocol: u32,
    /// Empty lists end with a blank, as recorded. Skype4Java hangs without it.
    pub list_blank: bool,
    /// When a CONNECT that came about ends its CONNECTING list.
    pub connecting_end: ConnectingEnd,
    /// What SENDING says of octets.
    pub sending: SendingForm,
    /// What a command brings about is told before its reply.
    pub news_first: bool,
    /// On D-Bus, calls return nothing and every reply comes as a notification does.
    pub empty_returns: bool,
    /// On X11, the share of messages of which a piece is lost, and that of which two pieces are swapped.
    pub pieces_lost: f64,
    /// See `pieces_lost`.
    pub pieces_swapped: f64,
    /// How long SEARCH USERS asks the network, in milliseconds; ten seconds were recorded.
    pub search_ms: u64,
    /// How long the user looks at the window that SET SILENT_MODE ON opens, in milliseconds; 4.5 s were recorded.
    pub confirm_ms: u64,
    /// Streams without traffic end after so many seconds; eight minutes by the API reference.
    pub idle_s: u64,
    /// Only contacts can be connected to, as before Skype 3.1.0.150.
    pub contacts_only: bool,
    /// Who is whose contact at first.
    pub contacts: ContactRule,
    /// Logins whose users authorise whoever asks, at once.
    pub accepts: Vec<String>,
}

/// Two logins in each other's contact list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactConfig {
    /// Which two.
    pub logins: [String; 2],
}

/// Who is whose contact at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContactRule {
    /// Everybody everybody's.
    #[default]
    Everybody,
    /// Whom a `[[contact]]` names.
    Listed,
}

/// When the CONNECTING list of a CONNECT that came about is empty again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectingEnd {
    /// After STREAMS: what all clients of the time live with.
    #[default]
    After,
    /// Before it, as the API reference prints it. Skype4Java then finds no stream.
    Before,
    /// Never told, as recorded once.
    Absent,
}

/// What a SENDING list says of octets: sources differ, so nobody should compute with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendingForm {
    /// `=n` for a datagram, `=n+2` for a WRITE: the printed examples.
    #[default]
    Printed,
    /// 22 more, so that a WRITE of 4 is `=28`: a recorded session.
    Recorded,
    /// Nothing but the stream.
    Bare,
    /// A blank in the place of `=`, as some examples have it.
    Blank,
}

impl Default for SkypeConfig {
    fn default() -> Self {
        Self {
            version: VERSION.to_owned(),
            protocol: PROTOCOL_MAX,
            list_blank: true,
            connecting_end: ConnectingEnd::default(),
            sending: SendingForm::default(),
            news_first: false,
            empty_returns: false,
            pieces_lost: 0.0,
            pieces_swapped: 0.0,
            search_ms: 0,
            confirm_ms: 0,
            idle_s: 480,
            contacts_only: false,
            contacts: ContactRule::default(),
            accepts: Vec::new(),
        }
    }
}

impl SkypeConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("skype.version (its octets)", self.version.len(), 1..=64)?;
        if let Some(at) = self.version.find(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(ConfigError::Text { key: "skype.version".to_owned(), at });
        }
        range("skype.protocol", self.protocol, 1..=PROTOCOL_MAX)?;
        range("skype.pieces_lost", self.pieces_lost, 0.0..=1.0)?;
        range("skype.pieces_swapped", self.pieces_swapped, 0.0..=1.0)?;
        range("skype.search_ms", self.search_ms, 0..=3_600_000)?;
        range("skype.confirm_ms", self.confirm_ms, 0..=3_600_000)?;
        range("skype.idle_s", self.idle_s, 1..=86_400)
    }
}

impl SkypeConfig {
    /// A line as these Skypes write it.
    pub(crate) fn spelled(&self, mut line: String) -> String {
        if self.sending != SendingForm::Printed
            && let Some(spelled) = self.sending(&line)
        {
            line = spelled;
        }
        if !self.list_blank
            && line.ends_with(' ')
            && matches!(
                Message::parse(Line::parse(&line).map_or("", |line| line.body)),
                Message::Users(_)
                    | Message::Application {
                        news: AppNews::Connecting(_)
                            | AppNews::Connectable(_)
                            | AppNews::Streams(_)
                            | AppNews::Sending(_)
                            | AppNews::Received(_),
                        ..
                    }
            )
        {
            line.pop();
        }
        line
    }

    fn sending(&self, line: &str) -> Option<String> {
        let Line { id, body } = Line::parse(line).ok()?;
        let Message::Application { app, news: AppNews::Sending(list) } = Message::parse(body)
        else {
            return None;
        };
        let mut list = list;
        for backlog in &mut list {
            backlog.octets = match self.sending {
                SendingForm::Recorded => backlog.octets.map(|octets| octets + RECORDED_OCTETS),
                SendingForm::Bare => None,
                SendingForm::Printed | SendingForm::Blank => backlog.octets,
            };
        }
        let news = AppNews::Sending(list);
        let line = Line { id, body: Message::Application { app, news } }.to_string();
        Some(if self.sending == SendingForm::Blank { line.replace('=', " ") } else { line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(skype: SkypeConfig, line: &str) -> String {
        skype.spelled(line.to_owned())
    }

    #[test]
    fn sending_is_spelled_as_some_skype_did() {
        let line = "#1 APPLICATION a SENDING bob:1=6 carol:2=700";
        let of = |sending| spelled(SkypeConfig { sending, ..SkypeConfig::default() }, line);
        assert_eq!(of(SendingForm::Printed), line);
        assert_eq!(of(SendingForm::Recorded), "#1 APPLICATION a SENDING bob:1=28 carol:2=722");
        assert_eq!(of(SendingForm::Bare), "#1 APPLICATION a SENDING bob:1 carol:2");
        assert_eq!(of(SendingForm::Blank), "#1 APPLICATION a SENDING bob:1 6 carol:2 700");
    }

    #[test]
    fn only_lists_lose_their_blank() {
        let skype = || SkypeConfig { list_blank: false, ..SkypeConfig::default() };
        assert_eq!(spelled(skype(), "#3 USERS "), "#3 USERS");
        assert_eq!(spelled(skype(), "APPLICATION a STREAMS "), "APPLICATION a STREAMS");
        let read = "ALTER APPLICATION a READ bob:1 ";
        assert_eq!(spelled(skype(), read), read);
        let payload = "APPLICATION a DATAGRAM bob:1 text ";
        assert_eq!(spelled(skype(), payload), payload);
    }
}
