//! Every line of a transcript through the codec, and every reply beside its command.

use skype_api::{Command, Get, Line, Message, Set, UserNews};

use crate::vector::{Step, Way};

/// Each line is read, written as it was but for case and blanks, and read again as the same.
pub(crate) fn through_the_codec(steps: &[Step]) -> Result<(), String> {
    for Step(_, way, line) in steps {
        let Some(text) = line else { continue };
        let line = Line::parse(text)
            .map_err(|error| format!("expected a line, came {error}: {text:?}"))?;
        let id = line.id;
        let same = match way {
            Way::Says => {
                let command = Command::parse(line.body);
                let written = command.to_string();
                let again = Command::parse(&written);
                (written == line.body || spelled(&written) == spelled(line.body))
                    && (again == command || matches!(command, Command::Unknown { .. }))
            }
            Way::Hears => {
                let message = Message::parse(line.body);
                is_read(line.body, &message)?;
                let written = message.to_string();
                let is_list = matches!(message, Message::Application { .. } | Message::Users(_));
                let alike = is_list && items(&written) == items(line.body);
                (written == line.body || alike) && Message::parse(&written) == message
            }
        };
        if !same {
            let written = match way {
                Way::Says => Command::parse(line.body).to_string(),
                Way::Hears => Message::parse(line.body).to_string(),
            };
            let came = Line { id, body: written };
            return Err(format!("expected {text:?}, came {:?}", came.to_string()));
        }
    }
    Ok(())
}

/// What begins like something that the codec reads is read by it.
fn is_read(text: &str, message: &Message<'_>) -> Result<(), String> {
    let mut words = text.split(' ');
    let (head, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_told = READ.contains(&head.to_ascii_uppercase().as_str());
    // A third party's emulator left the application's name out; nobody else may.
    let is_slip = head == "APPLICATION" && PROPERTIES.contains(&second);
    let bad = match message {
        Message::Unknown(_) => is_told && !is_slip,
        Message::User { property, value, .. } => {
            VALUES.contains(&property.to_ascii_uppercase().as_str())
                && UserNews::parse(property, value) == UserNews::Other
        }
        _ => false,
    };
    if bad { Err(format!("expected {text:?}, which cannot be read")) } else { Ok(()) }
}

const READ: [&str; 18] = [
    "ALTER",
    "APPLICATION",
    "AUTOAWAY",
    "CONNSTATUS",
    "CREATE",
    "CURRENTUSERHANDLE",
    "DELETE",
    "ERROR",
    "GROUP",
    "OK",
    "PONG",
    "PROTOCOL",
    "RESETIDLETIMER",
    "SILENT_MODE",
    "SKYPEVERSION",
    "USER",
    "USERS",
    "USERSTATUS",
];
const PROPERTIES: [&str; 5] = ["CONNECTABLE", "CONNECTING", "STREAMS", "SENDING", "RECEIVED"];
const VALUES: [&str; 4] = ["ONLINESTATUS", "BUDDYSTATUS", "ISAUTHORIZED", "ISBLOCKED"];

/// A command without regard to case and to blanks at its end.
fn spelled(text: &str) -> String {
    text.trim_end().to_ascii_uppercase()
}

/// The parts of a list, whatever stands between them.
fn items(text: &str) -> Vec<&str> {
    text.split([' ', ',', '=']).filter(|item| !item.is_empty()).collect()
}

/// Whom each reply answers: by its id, or as the first that fits. No reply is to nobody, or to something else.
pub(crate) fn replies(steps: &[Step]) -> Result<(), String> {
    let mut taken = vec![false; steps.len()];
    for (at, Step(actor, way, line)) in steps.iter().enumerate() {
        let (Way::Says, Some(text)) = (way, line) else { continue };
        let Ok(asked) = Line::parse(text) else { continue };
        let command = Command::parse(asked.body);
        let is_foreign = matches!(command, Command::Unknown { .. });
        let mut is_answered = false;
        let later = steps.iter().zip(taken.iter_mut()).skip(at + 1);
        for (Step(hearer, way, line), taken) in later {
            let (Way::Hears, Some(text), false) = (way, line, *taken) else { continue };
            let Ok(heard) = Line::parse(text) else { continue };
            if hearer != actor || heard.id != asked.id {
                continue;
            }
            let message = Message::parse(heard.body);
            let fits = command.is_answered_by(&message) && may_fail_so(&command, &message);
            if fits || (is_foreign && is_of_others(asked.body) && !is_error(&message)) {
                (*taken, is_answered) = (true, true);
                break;
            }
            if asked.id.is_some() || is_error(&message) {
                return Err(format!("expected {text:?}, which is no reply to {asked}"));
            }
        }
        if is_foreign && !is_answered && !is_of_others(asked.body) {
            return Err(format!("expected more than an error of {asked}, which is no command"));
        }
    }
    let left = steps.iter().zip(&taken).find(|(Step(_, way, line), taken)| {
        let heard = line.as_ref().and_then(|text| Line::parse(text).ok());
        *way == Way::Hears
            && !**taken
            && heard.is_some_and(|line| {
                let message = Message::parse(line.body);
                let is_echo = matches!(message, Message::Altered { .. });
                line.id.is_some() || is_error(&message) || is_echo
            })
    });
    left.map_or(Ok(()), |(Step(_, _, line), _)| {
        Err(format!("expected {line:?}, which answers nothing"))
    })
}

/// What the API has and plugins like ours do not need: calls, chats, windows.
pub(crate) fn is_of_others(command: &str) -> bool {
    const VERBS: [&str; 25] = [
        "ADD",
        "BTN_PRESSED",
        "BTN_RELEASED",
        "CALL",
        "CALLVOICEMAIL",
        "CHAT",
        "CHATMESSAGE",
        "CLEAR",
        "FILETRANSFER",
        "FOCUS",
        "GROUP",
        "HANGUP",
        "IMPORTCONTACTS",
        "MENU_ITEM",
        "MESSAGE",
        "MINIMIZE",
        "MUTE",
        "NOTIFY",
        "OPEN",
        "SMS",
        "VOICEMAIL",
        "WALLPAPER",
        "WINDOWSTATE",
        "BLOCK",
        "UNBLOCK",
    ];
    const OBJECTS: [&str; 21] = [
        "ACTIVECALLS",
        "AEC",
        "AGC",
        "AUDIO_IN",
        "AUDIO_OUT",
        "AVATAR",
        "CALL",
        "CALLS",
        "CHAT",
        "CHATMEMBER",
        "CHATMESSAGE",
        "CHATS",
        "FILETRANSFER",
        "GROUP",
        "GROUPS",
        "MESSAGE",
        "MESSAGES",
        "MUTE",
        "PROFILE",
        "SMS",
        "WINDOWSTATE",
    ];
    let command = command.to_ascii_uppercase();
    let mut words = command.split(' ').filter(|word| !word.is_empty());
    let (verb, object) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let takes_one = matches!(verb, "GET" | "SET" | "SEARCH" | "CREATE" | "ALTER" | "DELETE");
    VERBS.contains(&verb) || (takes_one && OBJECTS.contains(&object))
}

const fn is_error(message: &Message<'_>) -> bool {
    matches!(message, Message::Error { .. })
}

/// An error that this command may get: the one of its fault, or of what it finds.
fn may_fail_so(command: &Command<'_>, message: &Message<'_>) -> bool {
    let Message::Error { code, .. } = message else { return true };
    // Not let in; Skype's own fault.
    if matches!(code.0, 68 | 9901) {
        return true;
    }
    let of: &[u16] = match command {
        Command::Unknown { code: own, .. } => return own == code,
        Command::Name(_) | Command::Ping | Command::ResetIdleTimer => &[],
        Command::Protocol(_) => &[27],
        Command::Search(_) => &[4, 5, 67],
        Command::Get(Get::User { .. }) => &[8, 9, 10],
        Command::Get(Get::Application { .. }) => &[543, 544],
        Command::Get(_) => &[7],
        Command::Set(Set::User { .. }) => &[26, 516, 517, 518, 519],
        Command::Set(Set::UserStatus(_)) => &[28],
        Command::Set(_) => &[18, 53],
        Command::Create(_) => &[540, 541],
        Command::Delete(_) => &[541, 542],
        // The section on WRITE prints READ's.
        Command::Alter { .. } => &[541, 545, 546, 547, 548, 549, 550, 551],
    };
    of.contains(&code.0)
}
