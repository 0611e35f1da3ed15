//! Keys at the edge: who is let in, who else may have the key file, and what a bridge leaves to its
//! next start.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use common::{Running, curl, keygen, octets, run, web_server};

/// Bridges on UDP, with the files of one directory.
struct Place {
    dir: tempfile::TempDir,
    web: String,
    file: Vec<u8>,
    key: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = octets(30_000);
        let web = web_server(file.clone()).to_string();
        let key = keygen(&dir.path().join("k"));
        Self { dir, web, file, key }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// A client's key of its own: the public one.
    fn client_key(&self, name: &str) -> String {
        keygen(Path::new(&self.path(name)))
    }

    fn bridge(&self, more: &[&str]) -> (Running, String) {
        let (key, carrier) = (self.path("k"), "udp:127.0.0.1:0");
        let words = ["bridge", "--carrier", carrier, "--key", &key, "--forward", &self.web];
        let mut bridge = Running::start(&[&words[..], more].concat());
        let carrier = bridge.wait_for("carrier ");
        bridge.wait_for("ready");
        (bridge, carrier)
    }

    fn client(&self, bridge: &str, more: &[&str]) -> (Running, String) {
        let carrier = "udp:127.0.0.1:0";
        let words = ["client", "--carrier", carrier, "--bridge", bridge, "--bridge-key", &self.key];
        let words = [&words[..], &["--listen", "127.0.0.1:0"], more].concat();
        let mut client = Running::start(&words);
        let socks = client.wait_for("listening on ");
        (client, socks)
    }

    fn fetches(&self, socks: &str) {
        let url = format!("http://{}/", self.web);
        let (code, body, stderr) = curl(&["--socks5", socks, &url]);
        assert_eq!(code, 0, "{stderr}");
        assert!(body == self.file);
    }
}

/// AP-18
#[test]
fn a_client_on_the_list_passes_and_others_hear_nothing() {
    let place = Place::new();
    let (one, two) = (place.client_key("one"), place.client_key("two"));
    place.client_key("stranger");
    let (bridge, at) = place.bridge(&["--allow", &one, "--allow", &two]);
    for name in ["one", "two"] {
        let (client, socks) = place.client(&at, &["--client-key", &place.path(name)]);
        place.fetches(&socks);
        assert!(client.stop().success());
    }
    let with_a_key = ["--client-key", &place.path("stranger")];
    let strangers = [with_a_key.as_slice(), &[]].map(|more| place.client(&at, more));
    for (client, _) in strangers {
        client.wait_for_stderr("key is wrong");
        assert!(client.stop().success());
    }
    assert_eq!(bridge.stop_and_read().matches("a client connected").count(), 2);
}

/// AP-18
#[test]
fn a_bridge_without_a_list_does_not_hear_a_client_with_a_key() {
    let place = Place::new();
    place.client_key("one");
    let (bridge, at) = place.bridge(&[]);
    let (client, _) = place.client(&at, &["--client-key", &place.path("one")]);
    client.wait_for_stderr("lets only clients in");
    let (anybody, socks) = place.client(&at, &[]);
    place.fetches(&socks);
    for running in [client, anybody, bridge] {
        assert!(running.stop().success());
    }
}

/// AP-17
#[test]
fn a_second_bridge_with_the_same_key_file_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let (bridge, at) = place.bridge(&[]);
    let key = place.path("k");
    let words = ["--carrier", "udp:127.0.0.1:0", "--key", &key, "--forward", &place.web];
    let output = run(&[&["bridge"], &words[..]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("another process uses the key file"), "{stderr}");
    let (client, socks) = place.client(&at, &[]);
    place.fetches(&socks);
    assert!(client.stop().success());
    // However a bridge ends, its key is free then.
    drop(bridge);
    let (bridge, _) = place.bridge(&[]);
    assert!(bridge.stop().success());
}

/// The mark that a bridge left, in milliseconds since 1970.
fn mark(file: &str) -> u64 {
    let octets = fs::read(file).unwrap();
    let records = [octets.get(..16), octets.get(512..528)];
    let marks = records.into_iter().flatten().map(|record| record.split_at(8));
    let marks = marks.filter(|(magic, _)| *magic == b"ap2apRM1");
    marks.map(|(_, ms)| u64::from_be_bytes(ms.try_into().unwrap())).max().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the mark is told by the system's clock")]
fn wall_ms() -> u64 {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(wall.as_millis()).unwrap()
}

/// AP-16
#[test]
fn a_bridge_writes_ahead_of_the_clock_what_its_next_start_must_refuse() {
    let place = Place::new();
    let file = place.path("k.replay");
    let (bridge, _) = place.bridge(&["--sandbox"]);
    let (first, now) = (mark(&file), wall_ms());
    // It was written a moment ago, three minutes ahead.
    assert!((now + 120_000..=now + 180_000).contains(&first), "{first} at {now}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop(bridge);
    let (bridge, _) = place.bridge(&["--sandbox"]);
    assert!(mark(&file) > first);
    assert!(!bridge.stop_and_read().contains(".replay"), "nothing to tell");
}

/// AP-16
#[test]
fn a_mark_that_is_damaged_or_cannot_be_written_is_told_and_all_else_goes_on() {
    let place = Place::new();
    let file = place.path("k.replay");
    fs::write(&file, b"ap2apRM1 and then nonsense").unwrap();
    let (bridge, at) = place.bridge(&[]);
    let (client, socks) = place.client(&at, &[]);
    place.fetches(&socks);
    assert!(bridge.stop_and_read().contains("is damaged"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let (bridge, at) = place.bridge(&[]);
    assert!(client.stop().success());
    let (client, socks) = place.client(&at, &[]);
    place.fetches(&socks);
    assert_eq!(bridge.stop_and_read().matches("cannot be written").count(), 1);
    assert!(client.stop().success());
}

/// AP-16
#[test]
fn a_clock_that_went_back_is_told_with_the_remedy() {
    let place = Place::new();
    let file = place.path("k.replay");
    let (bridge, at) = place.bridge(&[]);
    assert!(bridge.stop().success());
    // As if the clock had been a day ahead of today's.
    let mut record = b"ap2apRM1".to_vec();
    record.extend_from_slice(&(wall_ms() + 86_400_000).to_be_bytes());
    record.extend_from_slice(&crc32fast::hash(&record).to_be_bytes());
    fs::write(&file, record).unwrap();
    let (bridge, _) = place.bridge(&["--carrier", &at]);
    assert!(bridge.stop_and_read().contains("is ahead of the clock"));
    assert!(mark(&file) >= wall_ms() + 86_000_000, "and it is not taken back");
}
