//! Plays a move of chess with another login: skype-api's session on one end of a Unix socket, a
//! Skype that knows ten commands, made of the same codec, on the other.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use skype_api::{Alter, Command, Event, Line, Output, Session, SessionConfig};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let (ours, theirs) = UnixStream::pair()?;
    let skype = thread::spawn(move || run_skype(&theirs));
    let answer = play(&ours, "e2e4")?;
    drop(ours);
    skype.join().map_err(|_| "the Skype's thread panicked")??;
    println!("bob answers {answer}");
    if answer == "e7e5" { Ok(()) } else { Err("bob does not know this opening".into()) }
}

/// Attaches, connects to bob, sends him a datagram, and waits for his.
fn play(socket: &UnixStream, opening: &str) -> Result<String, Failure> {
    let mut session = Session::new(SessionConfig::new("example".parse()?, "chess".parse()?));
    let mut lines = BufReader::new(socket);
    let mut line = String::new();
    loop {
        let now = Instant::now();
        match session.poll_output(now) {
            Output::Send(command) => writeln!(&*socket, "{command}")?,
            Output::Event(Event::Attached) => session.connect(now, "bob".parse()?)?,
            Output::Event(Event::StreamUp(stream)) => {
                session.send_datagram(now, stream, opening)?
            }
            Output::Event(Event::Datagram { text, .. }) => return Ok(text),
            Output::Event(other) => println!("skype says {other:?}"),
            Output::Wait(until) => {
                let wait = until.map(|at| at.saturating_duration_since(now));
                socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
                match lines.read_line(&mut line) {
                    Ok(0) => return Err("skype is gone".into()),
                    Ok(_) => {
                        session.handle_message(Instant::now(), line.trim_end_matches('\n'));
                        line.clear();
                    }
                    // What was read of a line so far is kept for the next time.
                    Err(error) if is_time_out(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Answers commands until the program goes.
fn run_skype(socket: &UnixStream) -> Result<(), Failure> {
    for line in BufReader::new(socket).lines() {
        let line = line?;
        let command = Line::parse(&line)?.map(Command::parse);
        let mark = command.id.map(|id| format!("#{} ", id.as_str())).unwrap_or_default();
        for answer in answers(&command.body, &command.body.to_string()) {
            let answer =
                answer.strip_prefix("= ").map(|reply| format!("{mark}{reply}")).unwrap_or(answer);
            if writeln!(&*socket, "{answer}").is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What Skype says to a command: replies, here marked with `=`, and notifications.
fn answers(command: &Command<'_>, text: &str) -> Vec<String> {
    let owned = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
    match command {
        Command::Name(_) => owned(&["= OK"]),
        Command::Protocol(version) => {
            vec![format!("= PROTOCOL {version}"), "CONNSTATUS ONLINE".into()]
        }
        Command::Ping => owned(&["= PONG"]),
        Command::Alter { app, action: Alter::Connect(user) } => vec![
            format!("= {text}"),
            format!("APPLICATION {app} CONNECTING {user}"),
            format!("APPLICATION {app} STREAMS {user}:1"),
            format!("APPLICATION {app} CONNECTING "),
        ],
        Command::Alter { app, action: Alter::Datagram { stream, .. } } => vec![
            format!("= ALTER APPLICATION {app} DATAGRAM {stream}"),
            format!("APPLICATION {app} DATAGRAM {stream} e7e5"),
        ],
        // Most commands are answered by their echo.
        _ => vec![format!("= {text}")],
    }
}
