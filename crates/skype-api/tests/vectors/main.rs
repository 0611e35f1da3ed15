//! Transcripts of the Skype desktop API, from `tests/vectors.jsonl` or the file that SKYPE_API_VECTORS names: lines
//! through the codec, replies beside their commands, pieces through X11's codec, and each transcript that a Skype can
//! play by itself against the emulated one, in virtual time.
//!
//! The collection's facts are from the API reference of 2010, from recorded sessions and from clients of the time; each
//! line names its source. It is a sample: other transcripts of the same form are played in the same way.
#![expect(clippy::wildcard_enum_match_arm, reason = "looks for a few of many")]

mod carried;
mod lines;
mod parsed;
mod stage;
mod vector;

use std::collections::BTreeSet;
use std::{env, fs};

use vector::{Category, Vector};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors.jsonl");

/// What was done with a vector.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    /// All of it.
    Played,
    /// It was read, but nobody can play it here, for this reason.
    Read(String),
}

#[test]
fn vectors() {
    let path = env::var_os("SKYPE_API_VECTORS").unwrap_or_else(|| HERE.into());
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let (mut played, mut read, mut failed) = (0, 0, Vec::new());
    let mut ids = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let vector = match Vector::read(line) {
            Ok(vector) => vector,
            Err(error) => {
                failed.push(format!("line {number}: no vector: {error}"));
                continue;
            }
        };
        if !ids.insert(vector.id.clone()) {
            failed.push(format!("{}: stands there twice", vector.id));
        }
        match pass(&vector) {
            Ok(Done::Played) => played += 1,
            Ok(Done::Read(reason)) => {
                println!("{}: read, not played: {reason}", vector.id);
                read += 1;
            }
            Err(error) => failed.push(format!("{}: {error}", vector.id)),
        }
    }
    println!("{played} passed whole, {read} were read, {} failed", failed.len());
    assert!(!ids.is_empty(), "{} has no vectors", path.display());
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

fn pass(vector: &Vector) -> Result<Done, String> {
    let mut done = None;
    if !vector.steps.is_empty() {
        lines::through_the_codec(&vector.steps)?;
        lines::replies(&vector.steps)?;
        done = Some(stage::play(&vector.steps, vector.proto)?);
    }
    match (&vector.line, &vector.parsed) {
        (Some(line), Some(parsed)) => {
            parsed::check(line, parsed)?;
            done = Some(Done::Played);
        }
        (None, None) => {}
        (_, _) => return Err("`line` and `parsed` belong together".to_owned()),
    }
    if !vector.events.is_empty() || vector.cat == Category::X11 {
        carried::by_x11(vector)?;
        done = Some(Done::Played);
    }
    if vector.call.is_some() || vector.signal.is_some() {
        carried::by_dbus(vector)?;
        done = Some(Done::Played);
    }
    done.ok_or_else(|| "there is nothing in it to be checked".to_owned())
}

/// What is wrong with a transcript is told, with what came in its place.
#[test]
fn a_wrong_vector_fails() {
    let steps = |steps: &str| {
        format!(
            r#"{{"id": "X", "cat": "ap2ap", "kind": "wrong", "src": "here", "steps": [{steps}]}}"#
        )
    };
    let line = |rest: &str| {
        format!(r#"{{"id": "X", "cat": "parse", "kind": "wrong", "src": "here", {rest}}}"#)
    };
    for (vector, told) in [
        // Another code, another id, another stream, a reply to something else, a word too many.
        (steps(r#"["A", ">", "CREATE"], ["A", "<", "ERROR 537 x"]"#), "is no reply to CREATE"),
        (steps(r##"["A", ">", "#1 PING"], ["A", "<", "#2 PONG"]"##), "answers nothing"),
        (
            steps(
                r#"["A", ">", "GET APPLICATION a STREAMS"], ["A", "<", "APPLICATION a SENDING "]"#,
            ),
            "came [\"APPLICATION a STREAMS \"]",
        ),
        (steps(r#"["A", ">", "PINK"], ["A", "<", "PONG"]"#), "is no command"),
        (steps(r#"["A", "<", "CONNSTATUS ONLINE now"]"#), "cannot be read"),
        (
            steps(r#"["A", ">", "GET USERSTATUS"], ["A", "<", "USERSTATUS AWAY"]"#),
            "USERSTATUS ONLINE",
        ),
        // A stream to nobody, something where nothing is to come.
        (
            steps(r#"["A", ">", "ALTER APPLICATION a CONNECT b"], ["A", "<", null]"#),
            "expected nothing, came",
        ),
        (
            steps(
                r#"["A", ">", "ALTER APPLICATION a DATAGRAM b:1 x"], ["A", "<", "ALTER APPLICATION a DATAGRAM b:1"],
                   ["B", "<", "APPLICATION a DATAGRAM alice:1 y"]"#,
            ),
            "DATAGRAM alice:1 x",
        ),
        (line(r#""line": "ERROR 68", "parsed": {"code": 69}"#), "came 68"),
        (line(r#""line": "ERROR 68", "parsed": {"colour": 1}"#), "nothing of that name"),
        (
            line(
                r#""text": "PING", "events": [{"atom": "SKYPECONTROLAPI_MESSAGE", "format": 8,
            "hex": "50494e4700000000000000000000000000000000"}]"#,
            ),
            "of the pieces",
        ),
        (
            line(r#""call": {"member": "Invoke", "path": "/com/skype", "args": ["PING"]}"#),
            "/com/Skype",
        ),
        (
            line(r##""call": {"member": "Invoke", "args": ["#1 PING"], "returns": ["#2 PONG"]}"##),
            "#2 PONG",
        ),
        (line(r#""signal": {"member": "NameLost", "args": []}"#), "NameLost"),
        (line(r#""colour": "red""#), "unknown field"),
        (line(r#""note": "nothing""#), "nothing in it"),
    ] {
        let came = Vector::read(&vector.replace('\n', " ")).and_then(|vector| pass(&vector));
        let Err(error) = came else { panic!("passed: {vector}") };
        assert!(error.contains(told), "{vector}: {error}");
    }
}
