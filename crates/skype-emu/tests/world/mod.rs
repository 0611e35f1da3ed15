//! An overlay in virtual time, and programs that talk to it.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use skype_emu::{ClientId, Output, Overlay, OverlayConfig};

/// An overlay, its clock, and what each program heard and did not yet look at.
pub(crate) struct World {
    pub(crate) overlay: Overlay,
    pub(crate) now: Instant,
    pub(crate) heard: BTreeMap<ClientId, Vec<String>>,
}

pub(crate) const CONFIG: &str = r#"
    seed = 7
    [[login]]
    name = "alice"
    socket = "alice.sock"
    [[login]]
    name = "bob"
    socket = "bob.sock"
    [link]
    rtt_ms = 100
"#;

impl World {
    pub(crate) fn new(config: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let now = Instant::now();
        let config: OverlayConfig = toml::from_str(config).unwrap();
        Self { overlay: Overlay::new(now, &config).unwrap(), now, heard: BTreeMap::new() }
    }

    /// A program that only reached the socket.
    pub(crate) fn program(&mut self, login: &str) -> ClientId {
        self.overlay.attach(login.parse().unwrap()).unwrap()
    }

    /// A program that has consent and the application `a`.
    pub(crate) fn attached(&mut self, login: &str) -> ClientId {
        let client = self.program(login);
        for line in ["NAME test", "PROTOCOL 7", "CREATE APPLICATION a"] {
            self.say(client, line);
        }
        self.heard.remove(&client);
        client
    }

    /// Alice and Bob with one stream between them.
    pub(crate) fn connected() -> (Self, ClientId, ClientId) {
        Self::connected_in(CONFIG)
    }

    pub(crate) fn connected_in(config: &str) -> (Self, ClientId, ClientId) {
        let mut world = Self::new(config);
        let (alice, bob) = (world.attached("alice"), world.attached("bob"));
        world.say(alice, "ALTER APPLICATION a CONNECT bob");
        world.sleep(Duration::from_millis(100));
        world.heard.clear();
        (world, alice, bob)
    }

    pub(crate) fn say(&mut self, client: ClientId, line: &str) {
        self.overlay.handle_line(self.now, client, line);
        self.settle();
    }

    pub(crate) fn settle(&mut self) -> Option<Instant> {
        loop {
            match self.overlay.poll_output(self.now) {
                Output::Send { client, line, .. } => {
                    self.heard.entry(client).or_default().push(line)
                }
                Output::Quit { .. } | Output::Start { .. } => panic!("no Skype was to die"),
                Output::Wait(until) => return until,
            }
        }
    }

    /// Lets time pass, stopping wherever something is due.
    pub(crate) fn sleep(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.settle().filter(|due| *due <= end) {
            self.now = due;
        }
        self.now = end;
        self.settle();
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, client: ClientId, lines: &[&str]) {
        assert_eq!(self.heard.remove(&client).unwrap_or_default(), lines);
    }

    #[track_caller]
    pub(crate) fn expect_answer(&mut self, client: ClientId, said: &str, answer: &str) {
        self.say(client, said);
        self.expect(client, &[answer]);
    }
}
