//! Random commands from several programs at once: whatever they say, the overlay keeps its rules.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]
#![expect(clippy::indexing_slicing, reason = "the tables of tests are full")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use skype_api::{AppNews, Line, Message, StreamRef};
use skype_emu::{ClientId, Output, Overlay, OverlayConfig, STREAM_IDLE};

/// Three logins; `%` stands for a number from 1 to 4.
const LINES: [&str; 24] = [
    "NAME storm",
    "#7 PROTOCOL 7",
    "CREATE APPLICATION a",
    "#1 CREATE APPLICATION b",
    "DELETE APPLICATION a",
    "#2 ALTER APPLICATION a CONNECT alice",
    "ALTER APPLICATION a CONNECT bob",
    "ALTER APPLICATION a CONNECT carol",
    "ALTER APPLICATION b CONNECT bob",
    "ALTER APPLICATION a DISCONNECT alice:%",
    "ALTER APPLICATION a DISCONNECT bob:%",
    "ALTER APPLICATION a DATAGRAM alice:% hello",
    "ALTER APPLICATION a DATAGRAM bob:% #9 ERROR 2 fake",
    "ALTER APPLICATION a DATAGRAM carol:% x",
    "ALTER APPLICATION a WRITE bob:% some text",
    "ALTER APPLICATION a WRITE alice:% other text",
    "ALTER APPLICATION a READ alice:%",
    "ALTER APPLICATION a READ bob:%",
    "GET APPLICATION a STREAMS",
    "GET APPLICATION a SENDING",
    "SET USERSTATUS ONLINE",
    "SET USERSTATUS OFFLINE",
    "SEARCH FRIENDS",
    "# nonsense",
];

const LOGINS: [&str; 3] = ["alice", "bob", "carol"];

struct Storm {
    overlay: Overlay,
    now: Instant,
    /// xorshift's state.
    dice: u64,
    programs: Vec<ClientId>,
    /// The streams each program was told of last, by application.
    streams: BTreeMap<(ClientId, String), Vec<StreamRef>>,
    lines: usize,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let logins =
            LOGINS.map(|name| format!("[[login]]\nname = \"{name}\"\nsocket = \"{name}\"\n"));
        let link = "[link]\nrate = 4000\nloss = 0.1\nreorder = 0.1\njitter_ms = 20\nrtt_ms = 80\n";
        let config = format!("seed = {seed}\n{}{link}", logins.concat());
        let config: OverlayConfig = toml::from_str(&config).unwrap();
        #[expect(clippy::disallowed_methods, reason = "any origin will do")]
        let now = Instant::now();
        let mut overlay = Overlay::new(now, &config).unwrap();
        let attach = |login: &str| overlay.attach(login.parse().unwrap()).unwrap();
        let programs = LOGINS.iter().chain(&LOGINS).copied().map(attach).collect();
        Self { overlay, now, dice: seed, programs, streams: BTreeMap::new(), lines: 0 }
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        usize::try_from(self.dice % u64::try_from(sides).unwrap()).unwrap()
    }

    fn command(&mut self) {
        let place = self.roll(LOGINS.len() * 2);
        let program = self.programs[place];
        let number = (self.roll(4) + 1).to_string();
        let line = LINES[self.roll(LINES.len())].replace('%', &number);
        self.overlay.handle_line(self.now, program, &line);
        let pause = [0, 0, 1, 40, 300][self.roll(5)];
        self.now += Duration::from_millis(pause);
        self.listen();
    }

    fn listen(&mut self) -> Option<Instant> {
        loop {
            match self.overlay.poll_output(self.now) {
                Output::Wait(until) => return until,
                Output::Send { client, line, .. } => self.hear(client, &line),
                Output::Quit { .. } | Output::Start { .. } => panic!("no Skype was to die"),
            }
        }
    }

    /// Every line is one the client side can read, and no stream speaks that was not announced.
    fn hear(&mut self, client: ClientId, line: &str) {
        self.lines += 1;
        let line = Line::parse(line).unwrap();
        let Message::Application { app, news } = Message::parse(line.body) else {
            assert!(!matches!(Message::parse(line.body), Message::Unknown(_)), "{line}");
            return;
        };
        let key = (client, app.to_string());
        if let AppNews::Streams(streams) = news {
            self.streams.insert(key, streams);
        } else if let AppNews::Datagram { stream, .. } = news {
            let known = self.streams.get(&key).is_none_or(|streams| streams.contains(&stream));
            assert!(known, "{line}");
        }
    }
}

#[test]
fn any_commands_in_any_order_get_readable_answers_and_end_in_silence() {
    for seed in 1..=20 {
        let mut storm = Storm::new(seed);
        for _ in 0..2000 {
            storm.command();
        }
        assert!(storm.lines > 2000);
        // Streams nobody uses end, and then nothing is due any more.
        storm.now += STREAM_IDLE;
        while let Some(due) = storm.listen() {
            storm.now = storm.now.max(due);
        }
        let stats = storm.overlay.stats();
        for route in stats {
            assert_eq!(route.datagrams_in, route.datagrams_out + route.datagrams_lost, "{route:?}");
        }
    }
}
