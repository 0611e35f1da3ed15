//! Configuration: what counts, what is refused and how, and the example files at work.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{Running, command, curl, keygen, octets, run, some_key, web_server};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/config")
}

/// A directory and files in it.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, octets: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, octets).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

fn run_with(words: &[&str], variables: &[(&str, &str)]) -> Output {
    command(words).envs(variables.iter().copied()).output().unwrap()
}

/// What `--print-config` prints.
#[track_caller]
fn printed(words: &[&str], variables: &[(&str, &str)]) -> String {
    let words: Vec<&str> = words.iter().copied().chain(["--print-config"]).collect();
    let output = run_with(&words, variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The line of one key.
#[track_caller]
fn line<'a>(printed: &'a str, key: &str) -> &'a str {
    let start = format!("{key} = ");
    printed.lines().find(|line| line.starts_with(&start)).expect(key)
}

/// What `config check` says against a file of some kind.
#[track_caller]
fn refusal(kind: &str, octets: impl AsRef<[u8]>) -> String {
    let dir = Dir::new();
    let file = dir.file("c.toml", octets);
    let output = run(&["config", "check", "--kind", kind, &file]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(output.stdout.is_empty());
    for line in stderr.lines() {
        assert!(line.starts_with(&format!("skypeproxy: {file}")), "{line}");
    }
    stderr.replace(&file, "c.toml")
}

/// One clear message, which has `words` in it.
#[track_caller]
fn refuses(kind: &str, octets: impl AsRef<[u8]>, words: &[&str]) {
    let stderr = refusal(kind, octets);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr}");
    }
    assert!(stderr.len() < 500, "{stderr}");
}

const LOGINS: &str = "[[login]]\nname = \"alice\"\nsocket = \"/a\"\n\
                      [[login]]\nname = \"bob\"\nsocket = \"/b\"\n";

#[test]
fn a_variable_that_is_no_setting_is_told_and_its_value_is_not() {
    let variables = [("SKYPEPROXY_LISTN", "very-private")];
    let output = run_with(&["client", "--print-config"], &variables);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("SKYPEPROXY_LISTN") && stderr.contains("`SKYPEPROXY_LISTEN`"),
        "{stderr}"
    );
    assert!(!stderr.contains("very-private"), "{stderr}");
}

#[test]
fn the_command_line_counts_before_the_environment_before_the_file_before_the_default() {
    let dir = Dir::new();
    let file = dir.file("c.toml", "\nlisten = \"127.0.0.1:3\"\n");
    let variable = [("SKYPEPROXY_LISTEN", "127.0.0.1:2")];
    let words = ["client", "--config", &file, "--listen", "127.0.0.1:1"];
    for (words, variables, value, origin) in [
        (&words[..], &variable[..], "127.0.0.1:1", "command line, --listen"),
        (&words[..3], &variable, "127.0.0.1:2", "environment, SKYPEPROXY_LISTEN"),
        (&words[..3], &[], "127.0.0.1:3", "c.toml, line 2, column 10"),
        (&words[..1], &[], "127.0.0.1:1080", "default"),
    ] {
        let printed = printed(words, variables);
        let line = line(&printed, "listen");
        assert!(line.starts_with(&format!("listen = \"{value}\"  # ")), "{line}");
        assert!(line.ends_with(origin), "{line}");
    }
}

#[test]
fn one_place_says_all_of_a_list() {
    let dir = Dir::new();
    let file = dir.file("b.toml", "forward = [\"192.0.2.1:1\", \"192.0.2.1:2\"]\n");
    let words = ["bridge", "--config", &file];
    let variable = [("SKYPEPROXY_FORWARD", " 192.0.2.1:3\t192.0.2.1:4 ")];
    assert!(
        line(&printed(&words, &variable), "forward").contains("[\"192.0.2.1:3\", \"192.0.2.1:4\"]")
    );
    let words = [&words[..], &["--forward", "192.0.2.1:5"]].concat();
    assert!(line(&printed(&words, &variable), "forward").contains("[\"192.0.2.1:5\"]"));
}

#[test]
fn a_variable_names_the_file_and_the_command_line_another() {
    let dir = Dir::new();
    let one = dir.file("one", "key = \"/one\"\n");
    let other = dir.file("other", "key = \"/other\"\n");
    let variable = [("SKYPEPROXY_CONFIG", one.as_str())];
    assert!(line(&printed(&["bridge"], &variable), "key").contains("\"/one\""));
    let words = ["bridge", "--config", &other];
    assert!(line(&printed(&words, &variable), "key").contains("\"/other\""));
}

#[test]
fn an_empty_variable_counts_as_unset() {
    for value in ["", " "] {
        let variables = ["CARRIER", "BRIDGE", "BRIDGE_KEY", "LISTEN"];
        let variables = variables.map(|name| format!("SKYPEPROXY_{name}"));
        let variables: Vec<_> = variables.iter().map(|name| (name.as_str(), value)).collect();
        assert_eq!(printed(&["client"], &variables), printed(&["client"], &[]));
    }
    assert!(run_with(&["client", "--print-config"], &[("SKYPEPROXY_CONFIG", "")]).status.success());
}

#[test]
fn a_wrong_variable_is_named_and_the_command_line_gets_past_it() {
    let variable = [("SKYPEPROXY_LISTEN", "here")];
    let output = run_with(&["client", "--print-config"], &variable);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr.contains("SKYPEPROXY_LISTEN: expected \"IP:PORT\""), "{stderr}");
    printed(&["client", "--listen", "127.0.0.1:1"], &variable);

    let mut command = command(&["bridge", "--print-config"]);
    let output = command.env("SKYPEPROXY_FORWARD", OsStr::from_bytes(b"\xff")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("SKYPEPROXY_FORWARD: expected UTF-8"), "{stderr}");
}

#[test]
fn the_format_of_the_log_is_a_setting_like_others() {
    let run = |value: &str, words: &[&str]| {
        let output = run_with(words, &[("SKYPEPROXY_LOG_FORMAT", value)]);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run("", &["client", "--print-config"]).0, 0);
    let (code, stderr) = run("jsno", &["client", "--print-config"]);
    assert_eq!(code, 78);
    assert!(stderr.contains("SKYPEPROXY_LOG_FORMAT: ") && stderr.contains("`json`"), "{stderr}");
    let (code, stderr) = run("jsno", &["client", "--log-format", "json"]);
    assert_eq!(code, 64);
    assert!(stderr.starts_with('{'), "{stderr}");
}

#[test]
fn what_is_printed_says_the_same_when_it_is_read() {
    let dir = Dir::new();
    let overlay = format!(
        "{LOGINS}consent = \"refuse\"\n[link]\nrate = 0x10\nloss = 1\nthrottle = \"policer\"\n\
         [[link_between]]\nlogins = [\"alice\", \"bob\"]\nqueue = 5_000\n"
    );
    let overlay = dir.file("overlay.toml", overlay);
    let key = some_key();
    let (odd, name) = ("skype:unix:/a \"b\"\\\n\u{1f600}", dir.path("k # \"k\""));
    let client = ["client", "--carrier", odd, "--bridge", "skype:b", "--bridge-key", &key];
    let with_key = [&client[..], &["--client-key", &name]].concat();
    let allow = ["--allow", &key, "--allow", &key];
    let bridge = ["bridge", "--key", &name, "--forward", "[::1]:1", "--carrier", "udp:0.0.0.0:0"];
    let lines: [&[&str]; 7] = [
        &client,
        &with_key,
        &["client"],
        &bridge,
        &[&bridge[..], &allow].concat(),
        &["overlay", "--config", &overlay],
        &["overlay", "--config", &overlay, "--seed", "9"],
    ];
    for words in lines {
        let first = printed(words, &[]);
        let second = printed(&[words[0], "--config", &dir.file("fed\nback", &first)], &[]);
        let value = |text: &str| text.parse::<toml::Table>().unwrap();
        assert_eq!(value(&first), value(&second));
        for line in first.lines().filter(|line| !line.is_empty()) {
            assert!(line.contains("# "), "{line}");
        }
    }
}

#[test]
fn a_path_that_toml_cannot_say_is_said_so() {
    let words = ["bridge", "--print-config", "--key"];
    let output = command(&words).arg(OsStr::from_bytes(b"/\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`key`"));
}

#[test]
fn refuses_what_is_no_text() {
    refuses("client", b"\xff\xfel\0i\0", &["line 1, column 1", "UTF-8"]);
    refuses("client", b"# \xc3\xa4\n# \xe4\n", &["line 2, column 3", "UTF-8"]);
    refuses("client", b"\x7fELF\x02\x01\x01\0", &["line 1, column "]);
    refuses("client", octets(100_000), &["line"]);
}

#[test]
fn refuses_a_file_that_is_too_long_or_too_deep() {
    refuses("client", "#".repeat(2 * 1024 * 1024), &["longer than 1048576 octets"]);
    refuses("client", format!("carrier = {}", "[".repeat(100_000)), &["line 1"]);
    refuses("client", "a.".repeat(100_000), &["line 1"]);
    let list = format!("carrier = [{}]", "\"udp:127.0.0.1:0\",".repeat(17));
    refuses("client", list, &["line 1, column 11", "at most 16 elements, found 17"]);
    let stderr = run(&["config", "check", "--kind", "client", "/dev/zero"]);
    assert_eq!(stderr.status.code(), Some(78));
}

#[test]
fn refuses_a_slip_in_the_syntax_with_its_place() {
    refuses("client", "\r\nlisten = \"a\r\n", &["line 2, column"]);
    refuses("client", "\u{feff}listen == 1\n", &["line 1, column 9"]);
    refuses(
        "client",
        "listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n",
        &["line 2", "duplicate"],
    );
    refuses("client", "carrier = [\n", &["line"]);
    refuses("client", "listen\n", &["line 1"]);
    refuses("overlay", "[link]\n[link]\n", &["line 2", "duplicate"]);
}

#[test]
fn refuses_what_nobody_knows_and_says_what_was_meant() {
    for (kind, text, meant) in [
        ("client", "bridge-key = \"\"", "`bridge_key`"),
        ("client", "lsiten = 1", "`listen`"),
        ("bridge", "forwards = []", "`forward`"),
        ("bridge", "Key = 1", "`key`"),
        ("client", "forward = []", "a bridge's configuration"),
        ("overlay", "carrier = []", "a client's configuration"),
        ("client", "colour = 1", "`carrier`, `bridge`, `bridge_key`, `client_key`, `listen`"),
        ("client", "\"a\\nb\" = 1", "a\\nb"),
        ("client", "[bridges]", "`bridge`"),
    ] {
        let stderr =
            refusal(kind, format!("\n{text}\n{}", if kind == "overlay" { LOGINS } else { "" }));
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("line 2, column ") && stderr.contains(meant), "{stderr}");
    }
    let overlay = |rest: &str, words: &[&str]| refuses("overlay", format!("{LOGINS}{rest}"), words);
    overlay("consnet = \"ok\"", &["line 7, column 1", "`consent`"]);
    overlay("consent = \"refused\"", &["line 7, column 11", "`refuse`"]);
    overlay("[link]\nthrottle = \"pausing_reader\"", &["line 8, column 12", "`pausing-reader`"]);
    overlay("[link]\nrtt = 1", &["line 8, column 1", "`rtt_ms`"]);
    overlay("[[link_between]]\nlogins = [\"alice\", \"bbo\"]", &["line 8", "\"bbo\"", "`bob`"]);
    refuses("client", "bridge = [\"skpe:bob\"]", &["line 1, column 11", "`skype`"]);
    refuses("client", "carrier = [\"upd:127.0.0.1:1\"]", &["line 1, column 12", "`udp`"]);
}

#[test]
fn refuses_other_types_and_says_what_was_expected() {
    for (text, found) in [
        ("listen = 1080", "found 1080"),
        ("listen = true", "found true"),
        ("listen = 1.5", "found 1.5"),
        ("listen = 2001-01-01", "found a date"),
        ("listen = [\"127.0.0.1:1\"]", "found a list"),
        ("listen = {}", "found a table"),
        ("[listen]", "found a table"),
        ("carrier = \"udp:127.0.0.1:0\"", "expected a list"),
        ("carrier = [[]]", "found a list"),
        ("[[carrier]]", "found a table"),
        ("[carrier]", "found a table"),
    ] {
        refuses("client", text, &["line 1, column ", "expected ", found]);
    }
    for (text, found) in [
        ("login = 1", "found 1"),
        ("[login]", "[[login]]"),
        ("login = [1]", "found 1"),
        ("[[link]]", "found a list"),
        ("seed = -1", "found -1"),
        ("seed = \"1\"", "found \"1\""),
        ("seed = 99999999999999999999", "found 99999999999999999999"),
        ("link = { rate = 1.0 }", "found 1.0"),
        ("link = { loss = \"1\" }", "expected a number"),
        ("link_between = [{ logins = \"ab\" }]", "two logins"),
        ("link_between = [{ logins = [\"a\", 1] }]", "expected a text, found 1"),
        ("link_between = [{ logins = [\"a\", \"b\", \"c\"] }]", "found 3"),
        ("[[link_between]]", "needs a `logins`"),
        ("[[login]]\nname = \"a\"", "`login[0]` needs a `socket`"),
    ] {
        refuses("overlay", text, &["line 1, column ", "expected ", found]);
    }
}

#[test]
fn refuses_values_that_cannot_be() {
    for (text, words) in [
        ("carrier = [\"skype:\"]", "skype:unix:PATH"),
        ("carrier = [\"skype:unix:\"]", "followed by the path"),
        ("carrier = [\"udp:localhost:1\"]", "IP:PORT"),
        ("bridge = [\"bob\"]", "skype:LOGIN"),
        ("bridge = [\"udp:192.0.2.1:0\"]", "may be 0"),
        ("bridge = [\"udp:bridge.example:1\"]", "not looked up"),
        ("bridge_key = \"abc\"", "58 characters"),
        ("listen = \"localhost:1080\"", "127.0.0.1:1080"),
        ("carrier = [\"udp:127.0.0.1:0\"]\nbridge = [\"skype:bob\"]", "--carrier skype:"),
    ] {
        refuses("client", text, &["line ", words]);
    }
    refuses("bridge", "key = \"\"", &["line 1, column 7", "path of a file"]);
    refuses("bridge", "forward = [\"192.0.2.1:0\"]", &["line 1, column 11", "other than 0"]);
    let overlay = |rest: &str, words: &[&str]| refuses("overlay", format!("{LOGINS}{rest}"), words);
    overlay("[link]\nloss = 1.5", &["line 8, column 8", "from 0 to 1"]);
    overlay("[link]\nloss = nan", &["line 8, column 8", "from 0 to 1"]);
    overlay("consent_ms = 9999999", &["line 7, column 14", "login[1].consent_ms"]);
    overlay("[[login]]\nname = \"a b\"\nsocket = \"/c\"", &["line 8, column 8", "no Skype name"]);
    overlay("[[login]]\nname = \"BOB\"\nsocket = \"/c\"", &["line 8, column 8", "twice"]);
    overlay("[[login]]\nname = \"c\"\nsocket = \"/b\"", &["line 9, column 10", "twice"]);
    overlay("[[link_between]]\nlogins = [\"bob\", \"bob\"]", &["line 8, column 10", "twice"]);
    refuses("overlay", "", &["line 1, column 1", "no login"]);
}

/// AP-18: whoever writes an empty list means nobody, not everybody.
#[test]
fn refuses_a_list_of_clients_with_nobody_in_it() {
    refuses("bridge", "allow = []\n", &["at least one client's key"]);
    refuses("bridge", "allow = [\"abc\"]\n", &["58 characters"]);
}

#[test]
fn a_secret_key_in_the_wrong_place_is_not_shown() {
    let dir = Dir::new();
    keygen(Path::new(&dir.path("k")));
    let secret = fs::read_to_string(dir.path("k")).unwrap();
    let secret = secret.trim();
    let stderr = refusal("client", format!("bridge_key = \"x{secret}\"\n"));
    assert!(!stderr.contains(secret), "{stderr}");
    let output = run_with(&["client"], &[("SKYPEPROXY_BRIDGE_KEY", &format!("x{secret}"))]);
    assert!(!String::from_utf8(output.stderr).unwrap().contains(secret));
}

#[test]
fn tells_everything_that_is_wrong_in_the_order_of_the_file() {
    let text = "lisen = 1\ncarrier = [\"x\", \"y\", 3]\nbridge = 1\nbridge_key = \"\"\n";
    let stderr = refusal("client", text);
    let places: Vec<_> = stderr.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    let expected = [
        "1, column 1",
        "2, column 12",
        "2, column 17",
        "2, column 22",
        "3, column 10",
        "4, column 14",
    ];
    assert_eq!(places, expected.map(|place| format!("c.toml, line {place}")));
    let many: String = (0..100).map(|n| format!("k{n} = 1\n")).collect();
    let stderr = refused_by_run("client", &many);
    assert_eq!(stderr.lines().count(), 21, "{stderr}");
    assert!(stderr.contains("and 80 more"), "{stderr}");
}

fn refused_by_run(command: &str, text: &str) -> String {
    let dir = Dir::new();
    let output = run(&[command, "--config", &dir.file("c.toml", text)]);
    assert_eq!(output.status.code(), Some(78));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn tells_whose_a_file_is() {
    let dir = Dir::new();
    for (text, words) in [
        ("carrier = []\nbridge = []\n", "a client's configuration, ok"),
        ("carrier = []\nkey = \"k\"\n", "a bridge's configuration, ok"),
        (LOGINS, "an overlay's configuration, ok"),
    ] {
        let file = dir.file("c.toml", text);
        let output = run(&["config", "check", &file]);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout, format!("{file}: {words}\n"));
    }
    for text in ["", "carrier = []\n", "nonsense = 1\n"] {
        let output = run(&["config", "check", &dir.file("c.toml", text)]);
        assert_eq!(output.status.code(), Some(78));
        assert!(String::from_utf8(output.stderr).unwrap().contains("--kind"), "{text:?}");
    }
}

#[test]
fn an_empty_file_says_nothing_wrong_and_what_it_leaves_open() {
    let dir = Dir::new();
    let output = run(&["config", "check", "--kind", "bridge", &dir.file("c.toml", "")]);
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    for key in ["`carrier`", "`key`", "`forward`"] {
        assert!(stderr.contains(key), "{stderr}");
    }
}

#[test]
fn crlf_and_a_byte_order_mark_are_taken() {
    let dir = Dir::new();
    let text = format!("\u{feff}{LOGINS}").replace('\n', "\r\n");
    assert!(run(&["config", "check", &dir.file("c.toml", text)]).status.success());
}

#[test]
fn the_help_names_every_variable_and_every_key() {
    for kind in ["client", "bridge", "overlay"] {
        let help = String::from_utf8(run(&[kind, "--help"]).stdout).unwrap();
        let printed = match kind {
            "overlay" => String::new(),
            _ => printed(&[kind], &[]),
        };
        let variables = printed.split_whitespace().filter(|word| word.starts_with("SKYPEPROXY_"));
        for variable in variables.map(|word| word.trim_end_matches(',')) {
            assert!(help.contains(variable), "{kind} --help lacks {variable}");
        }
        assert!(help.contains("SKYPEPROXY_CONFIG") && help.contains("NO_COLOR"), "{help}");
    }
}

#[test]
fn the_examples_are_right() {
    for kind in ["client", "bridge", "overlay"] {
        let file = examples().join(format!("{kind}.toml"));
        let file = file.to_str().unwrap();
        let output = run(&["config", "check", file]);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(stdout.contains(&format!(" {kind}'s configuration, ok")), "{stdout}");
        // Nothing is left to a note: what a file can say, it says.
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_examples_of_client_and_bridge_have_every_key() {
    for kind in ["client", "bridge"] {
        let file = examples().join(format!("{kind}.toml"));
        let text = fs::read_to_string(&file).unwrap();
        let printed = printed(&[kind, "--config", file.to_str().unwrap()], &[]);
        assert!(printed.contains("line ") && !printed.contains("# default"), "{printed}");
        // What few need is there as a comment.
        let unset = printed.lines().filter_map(|line| line.split_once(" is not set"));
        for key in unset.map(|(key, _)| key) {
            assert!(text.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key}");
        }
    }
}

#[test]
fn the_example_of_an_overlay_has_every_key_and_serde_reads_the_same() {
    let file = examples().join("overlay.toml");
    let text = fs::read_to_string(&file).unwrap();
    let words = ["overlay", "--config", file.to_str().unwrap()];
    let printed = printed(&words, &[]);
    assert!(!printed.contains("[link]  # default") && printed.contains("queue = "), "{printed}");
    let login_alice = printed.split("\n\n").nth(1).unwrap();
    let link = printed.split("\n\n").find(|table| table.starts_with("[link]")).unwrap();
    assert!(!login_alice.contains("# default") && !link.contains("# default"), "{printed}");
    let by_serde: skype_emu::OverlayConfig = toml::from_str(&text).unwrap();
    assert_eq!(toml::from_str::<skype_emu::OverlayConfig>(&printed).unwrap(), by_serde);
}

#[test]
fn curl_goes_through_the_examples_as_they_stand() {
    let dir = Dir::new();
    let key = keygen(Path::new(&dir.path("bridge.key")));
    let file = octets(50_000);
    let web = web_server(file.clone()).to_string();
    let adapted = |name: &str| {
        let text = fs::read_to_string(examples().join(name)).unwrap();
        let text = text
            .replace("/run/skype", dir.0.path().to_str().unwrap())
            .replace("/var/lib/skypeproxy", dir.0.path().to_str().unwrap())
            .replace("2grgmychd3527smejmt7ued6ajmxpqvpwnbxcphu5ed2ijjxhqo25epexa", &key)
            .replace("192.0.2.7:9001", &web)
            .replace("127.0.0.1:1080\"", "127.0.0.1:0\"");
        dir.file(name, text)
    };
    let mut overlay = Running::start(&["overlay", "--config", &adapted("overlay.toml")]);
    overlay.wait_for("login carol");
    let mut bridge = Running::start(&["bridge", "--config", &adapted("bridge.toml")]);
    bridge.wait_for("ready");
    let mut client = Running::start(&["client", "--config", &adapted("client.toml")]);
    let socks = client.wait_for("listening on ");
    let (code, body, stderr) = curl(&["--socks5-hostname", &socks, &format!("http://{web}/")]);
    assert_eq!(code, 0, "{stderr}\n{}\n{}", client.stderr(), bridge.stderr());
    assert!(body == file);
    for running in [client, bridge, overlay] {
        assert_eq!(running.stop().code(), Some(0));
    }
}
