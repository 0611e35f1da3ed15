//! What the help and the man pages say after the flags: environment, files, exit codes, examples.

use crate::exit::Exit;

/// What is to be said of a command beside its flags. Lines have no more than 76 characters.
#[derive(Debug)]
pub(crate) struct Extra {
    /// Variables of its own, and what each says.
    variables: &'static [(&'static str, &'static str)],
    files: &'static [&'static str],
    examples: &'static [&'static str],
}

/// What every command heeds.
const VARIABLES: [(&str, &str); 3] = [
    ("SKYPEPROXY_LOG_FORMAT", "as --log-format"),
    ("RUST_LOG", "what is logged, as in \"warn,tunnel=debug\"; before -v"),
    ("NO_COLOR", "if set, nothing is coloured"),
];

pub(crate) const PROGRAM: Extra = Extra {
    variables: &[],
    files: &[],
    examples: &[
        "skypeproxy demo",
        "    try everything on this machine",
        "skypeproxy help client",
        "    what a client can be told",
    ],
};

pub(crate) const DEMO: Extra = Extra {
    variables: &[],
    files: &[],
    examples: &[
        "skypeproxy demo",
        "    run until stopped, with a curl line to try",
        "skypeproxy demo --check --relay-rate 3000 --rtt 200 --size 65536 --json",
        "    measure a relay of 3 KB/s; exits 0 or 1",
    ],
};

pub(crate) const OVERLAY: Extra = Extra {
    variables: &[("SKYPEPROXY_SEED", "as --seed"), ("SKYPEPROXY_CONFIG", "as --config")],
    files: &[
        "The file names the logins and the links between them. A login's socket is",
        "made at the start, for this user alone, and removed at the end.",
        "",
        "    [[login]]",
        "    name = \"alice\"",
        "    socket = \"/run/skype/alice.sock\"",
        "",
        "    [link]",
        "    rate = 3000             # octets of AP2AP text a second, each way",
        "    rtt_ms = 200",
        "    throttle = \"shaper\"",
    ],
    examples: &[
        "skypeproxy overlay --config overlay.toml",
        "skypeproxy overlay --config overlay.toml --seed 7 --print-config",
    ],
};

pub(crate) const BRIDGE: Extra = Extra {
    variables: &[
        ("SKYPEPROXY_CARRIER", "as --carrier; a list"),
        ("SKYPEPROXY_KEY", "as --key"),
        ("SKYPEPROXY_ALLOW", "as --allow; a list"),
        ("SKYPEPROXY_FORWARD", "as --forward; a list"),
        ("SKYPEPROXY_KEEP_LOST", "as --keep-lost"),
        ("SKYPEPROXY_MEASURE", "as --measure"),
        ("SKYPEPROXY_TCP_BUFFERS", "as --tcp-buffers"),
        ("SKYPEPROXY_STATUS_SOCKET", "as --status-socket"),
        ("SKYPEPROXY_SANDBOX", "as --sandbox, but with a mode"),
        ("SKYPEPROXY_CONFIG", "as --config"),
    ],
    files: &[
        "A configuration file has the names of the flags:",
        "",
        "    carrier = [\"skype:unix:/run/skype/bob.sock\"]",
        "    key = \"/var/lib/skypeproxy/bridge.key\"",
        "    forward = [\"192.0.2.7:9001\"]",
        "",
        "The key file belongs to the user of the bridge alone (mode 0600). A path",
        "without / at its start is taken from where the bridge is started. One bridge",
        "at a time can use it; a copy on another machine must not be used at all, for",
        "what one of them has seen the other takes for new.",
        "",
        "Beside it the bridge keeps KEYFILE.replay, which tells the next start which",
        "requests may be copies. Where that cannot be written, every first request",
        "takes a round trip longer.",
    ],
    examples: &[
        "skypeproxy keygen --out bridge.key",
        "skypeproxy bridge --carrier skype:unix:/run/skype/bob.sock \\",
        "    --key bridge.key --forward 192.0.2.7:9001",
        "skypeproxy bridge --config bridge.toml --allow KEY --allow OTHER",
        "    the same for two clients and nobody else",
    ],
};

pub(crate) const CLIENT: Extra = Extra {
    variables: &[
        ("SKYPEPROXY_CARRIER", "as --carrier; a list"),
        ("SKYPEPROXY_BRIDGE", "as --bridge; a list"),
        ("SKYPEPROXY_BRIDGE_KEY", "as --bridge-key"),
        ("SKYPEPROXY_CLIENT_KEY", "as --client-key"),
        ("SKYPEPROXY_STATE", "as --state"),
        ("SKYPEPROXY_PATHS", "as --paths"),
        ("SKYPEPROXY_LISTEN", "as --listen"),
        ("SKYPEPROXY_TCP_BUFFERS", "as --tcp-buffers"),
        ("SKYPEPROXY_STATUS_SOCKET", "as --status-socket"),
        ("SKYPEPROXY_SANDBOX", "as --sandbox, but with a mode"),
        ("SKYPEPROXY_CONFIG", "as --config"),
    ],
    files: &[
        "A configuration file has the names of the flags, with _ for -:",
        "",
        "    carrier = [\"skype:unix:/run/skype/alice.sock\"]",
        "    bridge = [\"skype:bob\"]",
        "    bridge_key = \"KEY\"",
        "    listen = \"127.0.0.1:1080\"",
        "",
        "A bridge with a list of clients has to be told the public key of this one:",
        "",
        "    client_key = \"/etc/skypeproxy/client.key\"",
    ],
    examples: &[
        "skypeproxy client --carrier skype:unix:/run/skype/alice.sock \\",
        "    --bridge skype:bob --bridge-key KEY",
        "curl --socks5-hostname 127.0.0.1:1080 http://192.0.2.7:9001/",
    ],
};

pub(crate) const STATUS: Extra = Extra {
    variables: &[],
    files: &[
        "The socket is the one that the client or bridge was told with --status-socket.",
        "With --json the answer is one object; its shape is in the book, Running it.",
    ],
    examples: &[
        "skypeproxy status",
        "skypeproxy status --socket /run/skypeproxy/bridge.sock --json",
    ],
};

pub(crate) const MEASURE: Extra = Extra {
    variables: &[],
    files: &[
        "What is measured is a path of its own: nothing of a client that runs is used.",
        "With --json the answer is one object; its shape is in the book, Running it.",
    ],
    examples: &[
        "skypeproxy measure --carrier skype:unix:/run/skype/alice.sock \\",
        "    --bridge skype:bob --bridge-key KEY --for 120",
    ],
};

pub(crate) const KEYGEN: Extra = Extra {
    variables: &[],
    files: &["The key file is made with mode 0600 and never overwritten."],
    examples: &[
        "skypeproxy keygen --out bridge.key > bridge.pub",
        "skypeproxy keygen --out client-for-bob.key",
        "    a client's own key, for a bridge that asks for one",
    ],
};

pub(crate) const COMPLETIONS: Extra = Extra {
    variables: &[],
    files: &[],
    examples: &[
        "skypeproxy completions bash > /etc/bash_completion.d/skypeproxy",
        "skypeproxy completions fish > ~/.config/fish/completions/skypeproxy.fish",
    ],
};

pub(crate) const CONFIG_CHECK: Extra = Extra {
    variables: &[],
    files: &[],
    examples: &[
        "skypeproxy config check client.toml",
        "skypeproxy config check --kind bridge shared.toml",
    ],
};

impl Extra {
    /// All sections, each with its heading.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        section(&mut text, "Environment", &self.environment());
        section(&mut text, "Files", &lines(self.files));
        section(&mut text, "Exit status", &exit_status());
        section(&mut text, "Examples", &lines(self.examples));
        text.trim_end().to_owned()
    }

    fn environment(&self) -> Vec<String> {
        let mut all = Vec::new();
        if !self.variables.is_empty() {
            all.extend(lines(&[
                "A variable counts where its flag is not given, and before the file. An empty",
                "one counts as unset. The elements of a list stand between blanks.",
                "",
            ]));
        }
        let variables = self.variables.iter().chain(&VARIABLES);
        all.extend(variables.map(|(name, meaning)| format!("{name:<24} {meaning}")));
        all
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn exit_status() -> Vec<String> {
    let row = |exit: &Exit| format!("{:>3}  {}", exit.code(), exit.meaning());
    let signals = "128 and a signal's number: ended by the second SIGINT or SIGTERM".to_owned();
    Exit::ALL.iter().map(row).chain([signals]).collect()
}

fn section(text: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    text.push_str(heading);
    text.push_str(":\n");
    for line in lines {
        text.push_str(format!("  {line}").trim_end());
        text.push('\n');
    }
    text.push('\n');
}
