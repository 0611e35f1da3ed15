//! The example files: right, complete, and at work.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::config::{Dir, printed};
use common::{Running, curl, keygen, octets, run, web_server};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/config")
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
    for table in ["[relays]", "[censor]", "[[event]]"] {
        assert!(printed.contains(&format!("\n{table}")), "{printed}");
    }
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
