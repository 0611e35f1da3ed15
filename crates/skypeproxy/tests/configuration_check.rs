//! What `config check` says: what is refused and how, and what is not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::path::Path;

use common::config::{Dir, LOGINS, run_with};
use common::{keygen, octets, run};

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
    overlay("[relays]\npreset = \"two_classes\"", &["line 8, column 10", "`two-classes`"]);
    overlay("[relays]\ncuont = 4", &["line 8, column 1", "`count`"]);
    overlay("[censor]\nmanner = \"louder\"", &["line 8, column 10", "`loud`"]);
    overlay("[censor]\nlogins = [\"bbo\"]", &["line 8", "\"bbo\"", "`bob`"]);
    overlay("[[event]]\nat_s = 1\nfor_s = 1", &["line 7", "needs a `what`"]);
    overlay("[[event]]\nwhat = \"blocks\"\nat_s = 1\nfor_s = 1", &["line 8, column 8", "`block`"]);
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
    overlay("[relays]\ncount = 0", &["line 8, column 9", "from 1 to 100000"]);
    overlay("[relays]\nburst = 1500", &["line 8, column 9", "without relays.rate"]);
    overlay("[censor]\nblock_per_hour = 0.5", &["line 8, column 18", "without [relays]"]);
    overlay(
        "[[event]]\nwhat = \"outage\"\nat_s = 1\nfor_s = 2\nevery_s = 2",
        &["line 11, column 11", "event[0].every_s = 2"],
    );
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

/// A client's file with two bridges.
fn two_bridges(dir: &Dir) -> String {
    let key = keygen(Path::new(&dir.path("k1")));
    format!(
        "carrier = [\"udp:127.0.0.1:0\"]\npaths = 4\n\
         [[bridge]]\npeers = [\"udp:127.0.0.1:9\", \"udp:127.0.0.1:10\"]\nkey = \"{key}\"\n\
         [[bridge]]\npeers = [\"udp:127.0.0.1:11\"]\nkey = \"{key}\"\n\
         [path_policy]\nroutes = \"relayed\"\noctets_per_day = 1000000\n"
    )
}

#[test]
fn bridges_with_tables_of_their_own_are_read_and_printed_as_they_were() {
    let dir = Dir::new();
    let file = dir.file("c.toml", two_bridges(&dir));
    let checked = run(&["config", "check", &file]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let printed = run(&["client", "--config", &file, "--print-config"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(text.matches("[[bridge]]").count(), 2, "{text}");
    for line in
        ["paths = 4", "octets_per_day = 1000000", "routes = \"relayed\"", "udp:127.0.0.1:10"]
    {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let again = dir.file("again.toml", &text);
    let checked = run(&["config", "check", &again]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn refuses_what_bridges_with_tables_cannot_have() {
    let dir = Dir::new();
    let text = two_bridges(&dir);
    let lone = format!("client_key = \"k\"\n{text}");
    refuses("client", lone, &["`client_key` has no place beside [[bridge]]"]);
    refuses("client", text.replace("paths = 4", "paths = 9"), &["1 to 8 paths, found 9"]);
    refuses("client", text.replace("relayed", "relaid"), &["\"any\", \"relayed\""]);
    let none = text.replace("peers = [\"udp:127.0.0.1:11\"]\n", "");
    refuses("client", none, &["a bridge needs `peers`"]);
    refuses("client", text.replace("octets_per_day", "octets_a_day"), &["`octets_per_day`"]);
    let other = text.replace("udp:127.0.0.1:11", "skype:bob");
    refuses("client", other, &["no carrier reaches skype peers"]);
}
