//! What the codec makes of a line, by the names that vectors give to its parts.

use serde_json::{Map, Value, json};
use skype_api::{AppNews, Backlog, Command, Echo, Line, Message, StreamRef, UserHandle, UserNews};

/// Every field of `parsed` is what the codec says of the line.
pub(crate) fn check(line: &str, parsed: &Map<String, Value>) -> Result<(), String> {
    let line = Line::parse(line).map_err(|error| format!("expected a line, came: {error}"))?;
    let came = told(&line);
    for (field, expected) in parsed {
        match came.get(field) {
            Some(value) if value == expected => {}
            Some(value) => return Err(format!("expected {field} = {expected}, came {value}")),
            None => {
                return Err(format!("expected {field} = {expected}, came nothing of that name"));
            }
        }
    }
    Ok(())
}

fn told(line: &Line<'_, &str>) -> Map<String, Value> {
    let mut told = Map::new();
    if let Some(id) = line.id {
        told.insert("id".to_owned(), json!(id.as_str()));
    }
    let message = Message::parse(line.body);
    let verb = line.body.trim_start().split(' ').next().unwrap_or_default();
    told.insert("verb".to_owned(), json!(verb.to_ascii_uppercase()));
    told.insert("body".to_owned(), json!(line.body));
    let more = match message {
        Message::Error { code, text } => json!({ "code": code.0, "text": text }),
        Message::Application { app, news } => of_news(app.as_str(), &news),
        Message::Altered { app, echo } => of_echo(app.as_str(), echo),
        Message::Created(app) | Message::Deleted(app) => json!({ "app": app.as_str() }),
        Message::Users(users) => json!({ "items": names(&users), "users": names(&users) }),
        Message::User { user, property, value } => of_user(user, property, value),
        Message::Group { number, property, value } => {
            json!({ "group": number, "prop": property, "value": value })
        }
        Message::Protocol(version) => json!({ "version": version }),
        Message::SkypeVersion(version) => json!({ "version": version, "value": version }),
        Message::ConnStatus(status) => valued(&status.to_string()),
        Message::UserStatus(status) => valued(&status.to_string()),
        Message::CurrentUserHandle(user) => {
            json!({ "user": user.as_str(), "value": user.as_str() })
        }
        Message::SilentMode(on) | Message::AutoAway(on) => json!({ "on": on }),
        Message::Ok | Message::Pong | Message::ResetIdleTimer => json!({}),
        Message::Unknown(text) => of_command(text),
    };
    if let Value::Object(more) = more {
        told.extend(more);
    }
    told
}

fn valued(value: &str) -> Value {
    json!({ "status": value, "value": value })
}

fn of_news(app: &str, news: &AppNews<'_>) -> Value {
    let prop = news.property().map_or_else(|| "DATAGRAM".to_owned(), |it| it.to_string());
    match news {
        AppNews::Connecting(users) | AppNews::Connectable(users) => {
            json!({ "app": app, "prop": prop, "items": names(users) })
        }
        AppNews::Streams(streams) => {
            let items: Vec<Value> = streams.iter().map(pair).collect();
            json!({ "app": app, "prop": prop, "items": items })
        }
        AppNews::Sending(list) | AppNews::Received(list) => {
            let items: Vec<Value> = list.iter().map(backlog).collect();
            json!({ "app": app, "prop": prop, "items": items })
        }
        AppNews::Datagram { stream, text } => {
            json!({ "app": app, "prop": prop, "stream": pair(stream), "data": text })
        }
    }
}

fn of_echo(app: &str, echo: Echo<'_>) -> Value {
    let (action, of) = match echo {
        Echo::Connect(user) => ("CONNECT", json!({ "user": user.as_str() })),
        Echo::Disconnect(stream) => ("DISCONNECT", json!({ "stream": pair(&stream) })),
        Echo::Write(stream) => ("WRITE", json!({ "stream": pair(&stream) })),
        Echo::Datagram(stream) => ("DATAGRAM", json!({ "stream": pair(&stream) })),
        Echo::Read { stream, text } => ("READ", json!({ "stream": pair(&stream), "data": text })),
    };
    let mut told = json!({ "app": app, "action": action });
    if let (Value::Object(told), Value::Object(of)) = (&mut told, of) {
        told.extend(of);
    }
    told
}

fn of_user(user: UserHandle, property: &str, value: &str) -> Value {
    let mut told = json!({ "user": user.as_str(), "prop": property, "value": value });
    if let (Value::Object(told), UserNews::AuthRequest(text)) =
        (&mut told, UserNews::parse(property, value))
    {
        told.insert("text".to_owned(), json!(text));
    }
    told
}

/// A line that no Skype says may be a command; what nobody reads is known to be unknown.
fn of_command(text: &str) -> Value {
    match Command::parse(text) {
        Command::Unknown { text, code } => json!({ "unknown": text, "code": code.0 }),
        known => json!({ "command": known.to_string() }),
    }
}

fn names(users: &[UserHandle]) -> Vec<&str> {
    users.iter().map(UserHandle::as_str).collect()
}

fn pair(stream: &StreamRef) -> Value {
    json!([stream.user.as_str(), stream.number])
}

fn backlog(backlog: &Backlog) -> Value {
    let Backlog { stream, octets } = backlog;
    match octets {
        Some(octets) => json!([stream.user.as_str(), stream.number, octets]),
        None => pair(stream),
    }
}
