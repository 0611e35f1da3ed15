//! How transports carry a line: X11's pieces, D-Bus's calls and signals.

use skype_api::dbus::{self, OwnerChange};
use skype_api::x11::{Joined, Joiner, PIECE_OCTETS, Piece, pieces};
use skype_api::{Command, Line, Message};

use crate::vector::{Call, Event, Expect, Signal, Vector};

/// The text becomes these pieces, but for what stands behind the NUL, and they become the text.
pub(crate) fn by_x11(vector: &Vector) -> Result<(), String> {
    let given: Vec<(u32, Piece)> = vector
        .events
        .iter()
        .map(|event| Ok((event.window, piece(event)?)))
        .collect::<Result<_, String>>()?;
    let mut joiner = Joiner::default();
    let mut heard: Vec<String> = Vec::new();
    for (window, piece) in &given {
        if let Joined::Message(text) = joiner.take(*window, piece) {
            heard.push(text);
        }
    }
    match (&vector.text, vector.expect) {
        (None, Some(Expect::Discard)) if !heard.is_empty() => {
            Err(format!("expected nothing, came {heard:?}"))
        }
        (None, Some(Expect::Discard)) if joiner.faults() == 0 && !given.is_empty() => {
            Err("expected a piece to be counted as a fault, came none".to_owned())
        }
        (None, Some(Expect::Discard)) => Ok(()),
        (None, None) => Err("a vector without a text does not say what to expect".to_owned()),
        (Some(text), _) => {
            if !heard.contains(text) {
                return Err(format!("expected {text:?} of the pieces, came {heard:?}"));
            }
            // Where something is wrong with the pieces nobody would have cut them so.
            if joiner.faults() > 0 || heard.len() > 1 { Ok(()) } else { cut(text, &given) }
        }
    }
}

fn cut(text: &str, given: &[(u32, Piece)]) -> Result<(), String> {
    let cut: Vec<Piece> = pieces(text).collect();
    if cut.len() != given.len() {
        return Err(format!("expected {} pieces, came {}", given.len(), cut.len()));
    }
    for (number, (ours, (_, theirs))) in cut.iter().zip(given).enumerate() {
        let end =
            theirs.octets.iter().position(|octet| *octet == 0).map_or(PIECE_OCTETS, |at| at + 1);
        let meant = |piece: &Piece| piece.octets.iter().take(end).copied().collect::<Vec<u8>>();
        if ours.begins != theirs.begins || meant(ours) != meant(theirs) {
            return Err(format!("expected piece {number} = {theirs:?}, came {ours:?}"));
        }
    }
    Ok(())
}

fn piece(event: &Event) -> Result<Piece, String> {
    let octets = (0..event.hex.len()).step_by(2).map(|at| {
        let digits = event.hex.get(at..at + 2).ok_or("an odd number of digits")?;
        u8::from_str_radix(digits, 16).map_err(|_| "no hexadecimal digits")
    });
    let octets: Vec<u8> = octets.collect::<Result<_, _>>()?;
    let octets: [u8; PIECE_OCTETS] = octets
        .try_into()
        .map_err(|octets: Vec<u8>| format!("a piece of {} octets", octets.len()))?;
    let known = [true, false].map(|begins| Piece { begins, octets });
    let found = known.into_iter().find(|piece| piece.atom() == event.atom);
    let piece = found.ok_or_else(|| format!("no piece is of the type {:?}", event.atom))?;
    if event.format == 8 {
        Ok(piece)
    } else {
        Err(format!("expected format 8, came {}", event.format))
    }
}

/// Calls and signals have the names that the crate gives them, and mean what it makes of them.
pub(crate) fn by_dbus(vector: &Vector) -> Result<(), String> {
    if let Some(call) = &vector.call {
        names(call)?;
        let returned = call.returns.first().map_or(Some(""), |it| dbus::reply(it));
        match (returned, &call.error, &vector.then) {
            (_, Some(error), _) if error.starts_with(dbus::SERVICE_UNKNOWN) => {}
            (_, Some(error), _) => return Err(format!("expected a known error, came {error:?}")),
            (Some(""), None, None) => {}
            (Some(reply), None, _) => answers(call, reply)?,
            (None, None, Some(then)) => {
                names(then)?;
                answers(call, then.args.first().ok_or("expected a line in Notify, came none")?)?;
            }
            (None, None, None) => return Err("expected a reply by Notify, came none".to_owned()),
        }
    }
    vector.signal.as_ref().map_or(Ok(()), signal)
}

fn names(call: &Call) -> Result<(), String> {
    let notifies = call.member == dbus::NOTIFY;
    let (path, interface) = if notifies {
        (dbus::CLIENT_PATH, dbus::CLIENT_INTERFACE)
    } else {
        (dbus::PATH, dbus::INTERFACE)
    };
    same("member", if notifies { dbus::NOTIFY } else { dbus::INVOKE }, Some(&call.member))?;
    same("path", path, call.path.as_ref())?;
    same("iface", interface, call.iface.as_ref())?;
    if !notifies {
        same("dest", dbus::SERVICE, call.dest.as_ref())?;
    }
    same("sig_in", "s", call.sig_in.as_ref())?;
    same("sig_out", if notifies { "" } else { "s" }, call.sig_out.as_ref())?;
    match call.bus.as_deref() {
        None | Some("session" | "system") => {}
        Some(bus) => return Err(format!("no Skype was ever on a bus called {bus:?}")),
    }
    for line in &call.args {
        Line::parse(line).map_err(|error| format!("expected a line, came {line:?}: {error}"))?;
    }
    Ok(())
}

fn same(what: &str, ours: &str, theirs: Option<&String>) -> Result<(), String> {
    match theirs {
        Some(theirs) if theirs != ours => {
            Err(format!("expected {what} = {theirs:?}, came {ours:?}"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The reply has the command's id, and is one to it.
fn answers(call: &Call, reply: &str) -> Result<(), String> {
    let asked = call.args.first().ok_or("expected a command, came none")?;
    let parse = |text| Line::parse(text).map_err(|error| format!("expected a line: {error}"));
    let (asked, reply) = (parse(asked)?, parse(reply)?);
    let command = Command::parse(asked.body);
    let is_foreign = matches!(command, Command::Unknown { .. });
    let fits = is_foreign || command.is_answered_by(&Message::parse(reply.body));
    if asked.id == reply.id && fits {
        Ok(())
    } else {
        Err(format!("expected a reply to {asked}, came {reply}"))
    }
}

fn signal(signal: &Signal) -> Result<(), String> {
    if signal.member != "NameOwnerChanged" {
        return Err(format!("no signal {:?} is ever looked at", signal.member));
    }
    same("iface", "org.freedesktop.DBus", signal.iface.as_ref())?;
    same("path", "/org/freedesktop/DBus", signal.path.as_ref())?;
    same("sender", "org.freedesktop.DBus", signal.sender.as_ref())?;
    let [name, old, new] = &signal.args[..] else {
        return Err(format!("expected three arguments, came {:?}", signal.args));
    };
    let expected = match (name == dbus::SERVICE, new.is_empty()) {
        (false, _) => None,
        (true, true) => Some(OwnerChange::Went),
        (true, false) => Some(OwnerChange::Came),
    };
    let came = OwnerChange::read(name, old, new);
    if came == expected { Ok(()) } else { Err(format!("expected {expected:?}, came {came:?}")) }
}
