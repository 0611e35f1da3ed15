//! What becomes of a client's state file: in use, read-only, on a full disk, damaged, old, from another time.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use common::inside::{is_inside, run_inside};
use common::place::{Place, count, eventually, free_udp_port, status_of};
use common::transfer::fetch;
use common::{Running, octets, web_server};

/// Over UDP, so that two clients have no login in common.
struct Pair {
    place: Place,
    carrier: String,
    bridge: Running,
    web: SocketAddr,
    page: Vec<u8>,
}

impl Pair {
    fn start() -> Self {
        let page = octets(20_000);
        let web = web_server(page.clone());
        let mut place = Place::new("", &[web]);
        let carrier = format!("udp:127.0.0.1:{}", free_udp_port());
        set_status(&mut place, "bridge");
        let bridge = place.bridge_on(&carrier);
        set_status(&mut place, "client");
        Self { place, carrier, bridge, web, page }
    }

    /// A client with this state file, through which the page was fetched.
    fn client(&mut self, state: &Path) -> Running {
        self.place.set("SKYPEPROXY_STATE", state.to_str().unwrap());
        let (client, socks) = self.place.client_of("udp:127.0.0.1:0", &self.carrier);
        fetch(&socks, self.web, &self.page, &[&client, &self.bridge]);
        client
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    fn sessions(&self) -> usize {
        let status = status_of(&self.path("bridge.status"));
        status.pointer("/sessions").and_then(serde_json::Value::as_array).unwrap().len()
    }

    /// How many clients were said to have gone for good so far.
    fn gone(&self) -> usize {
        count(&self.bridge.stderr(), "a client is gone")
    }
}

fn set_status(place: &mut Place, role: &str) {
    let socket = place.path(&format!("{role}.status"));
    place.set("SKYPEPROXY_STATUS_SOCKET", socket.to_str().unwrap());
}

/// Waits until the newest record has a ticket that is not in `before`.
fn is_kept(state: &Path, before: &str) {
    let ticket =
        |text: &str| text.lines().find(|line| line.starts_with("ticket ")).map(str::to_owned);
    eventually("a ticket is kept", || {
        let now = ticket(&newest(state).1);
        now.is_some() && now != ticket(before)
    });
}

/// The head of the newest record, without its length, and the text; nothing while there is none.
fn newest(state: &Path) -> (Vec<u8>, String) {
    let octets = fs::read(state).unwrap_or_default();
    let records = [0, 65_536].into_iter().filter_map(|place| octets.get(place..));
    let whole = records.filter_map(|record| {
        let (head, rest) = record.split_at_checked(16)?;
        let (len, rest) = rest.split_first_chunk()?;
        let text = rest.get(..usize::try_from(u32::from_be_bytes(*len)).unwrap())?;
        head.starts_with(b"skypst01").then_some((head, text))
    });
    let (head, text) = whole.max_by_key(|(head, _)| head[8..].to_vec()).unwrap_or_default();
    (head.to_vec(), String::from_utf8_lossy(text).into_owned())
}

/// Rewrites a file as a client would have whose clock was so many seconds ahead.
fn put_ahead(state: &Path, by_s: u64) {
    let (head, text) = newest(state);
    let later = |line: &str| {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let time: u64 = words[2].parse().unwrap();
        format!("{} {} {} {}\n", words[0], words[1], time + by_s, words[3])
    };
    let text: String = text.lines().map(later).collect();
    let len = u32::try_from(text.len()).unwrap().to_be_bytes();
    let mut record = [&head, len.as_slice(), text.as_bytes()].concat();
    record.extend_from_slice(&crc32fast::hash(&record).to_be_bytes());
    fs::write(state, record).unwrap();
}

#[test]
fn one_that_another_client_uses_is_left_to_it() {
    let mut pair = Pair::start();
    let state = pair.path("state");
    let first = pair.client(&state);
    is_kept(&state, "");
    set_status(&mut pair.place, "second");
    let second = pair.client(&state);
    let said = second.stderr();
    assert!(said.contains("is in use by another process"), "{said}");
    assert!(said.contains("--state"), "no remedy: {said}");
    assert_eq!(pair.sessions(), 2, "the first one's session was taken over");
    assert!(second.stop().success());
    // What the first one was given is still its own.
    drop(first);
    let before = pair.gone();
    let _third = pair.client(&state);
    eventually("the first one's session is taken over", || pair.gone() > before);
}

#[test]
fn one_that_cannot_be_made_is_told_and_the_client_runs() {
    const TEST: &str = "one_that_cannot_be_made_is_told_and_the_client_runs";
    if !is_inside() {
        let dir = tempfile::tempdir().unwrap();
        let mount = format!("mount -t tmpfs -o ro none {}", dir.path().display());
        run_inside(TEST, &format!("ip link set lo up; {mount}; cd {}", dir.path().display()));
        return;
    }
    let mut pair = Pair::start();
    let read_only = std::env::current_dir().unwrap().join("state");
    let nowhere = pair.path("no such directory").join("state");
    for file in [read_only, nowhere] {
        let client = pair.client(&file);
        let said = client.stderr();
        assert!(said.contains("cannot be used") && said.contains("--state"), "{said}");
        assert!(client.stop().success());
    }
}

#[test]
fn one_on_a_full_disk_is_told_and_kept_again_when_there_is_room() {
    const TEST: &str = "one_on_a_full_disk_is_told_and_kept_again_when_there_is_room";
    if !is_inside() {
        let dir = tempfile::tempdir().unwrap();
        let mount = format!("mount -t tmpfs -o size=256k none {}", dir.path().display());
        run_inside(TEST, &format!("ip link set lo up; {mount}; cd {}", dir.path().display()));
        return;
    }
    let mut filler = File::create("filler").unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let mut pair = Pair::start();
    let state = std::env::current_dir().unwrap().join("state");
    let client = pair.client(&state);
    client.wait_for_stderr("cannot be written");
    let said = client.stderr();
    assert!(said.contains("Make room on its disk"), "{said}");
    drop(client);
    drop(filler);
    fs::remove_file("filler").unwrap();
    // Nothing was kept, so this one begins anew; and what it keeps, the next one has.
    let client = pair.client(&state);
    is_kept(&state, "");
    drop(client);
    let before = pair.gone();
    let client = pair.client(&state);
    eventually("the last session is taken over", || pair.gone() > before);
    assert!(!client.stderr().contains("state"), "{}", client.stderr());
}

#[test]
fn one_that_is_damaged_is_told_and_written_anew() {
    let mut pair = Pair::start();
    let state = pair.path("state");
    // Neither ours, nor of this version.
    for (content, said) in [
        (vec![b'x'; 5000], "is damaged, or of another version"),
        ([b"skypst00".as_slice(), &[0; 60]].concat(), "is damaged, or of another version"),
        (vec![255; 100_000], "is damaged, or of another version"),
    ] {
        fs::write(&state, content).unwrap();
        let client = pair.client(&state);
        assert!(client.stderr().contains(said), "{}", client.stderr());
        is_kept(&state, "");
        drop(client);
        let before = pair.gone();
        let client = pair.client(&state);
        eventually("its session is taken over", || pair.gone() > before);
        assert!(client.stop().success());
    }
}

#[test]
fn one_from_a_clock_that_was_ahead_is_told_and_its_ticket_is_not_used() {
    let mut pair = Pair::start();
    let state = pair.path("state");
    let client = pair.client(&state);
    is_kept(&state, "");
    drop(client);
    put_ahead(&state, 86_400);
    let (_, ahead) = newest(&state);
    let before = pair.gone();
    let client = pair.client(&state);
    let said = client.stderr();
    assert!(said.contains("is ahead of the clock"), "{said}");
    assert_eq!(pair.gone(), before, "its ticket was used");
    // And what is kept now counts again.
    is_kept(&state, &ahead);
    drop(client);
    let client = pair.client(&state);
    assert!(!client.stderr().contains("is ahead of the clock"), "{}", client.stderr());
    eventually("its session is taken over", || pair.gone() > before);
}

#[test]
fn an_older_copy_costs_nothing_but_the_takeover() {
    let mut pair = Pair::start();
    let state = pair.path("state");
    let client = pair.client(&state);
    is_kept(&state, "");
    let (older, text) = (fs::read(&state).unwrap(), newest(&state).1);
    drop(client);
    drop(pair.client(&state));
    // The ticket in it was used by the client before.
    fs::write(&state, older).unwrap();
    let client = pair.client(&state);
    assert!(!client.stderr().contains("panicked"), "{}", client.stderr());
    is_kept(&state, &text);
    assert_eq!(pair.sessions(), 2, "that of the client in between is kept as a lost one");
    drop(client);
    let before = pair.gone();
    let _client = pair.client(&state);
    eventually("the session begun with it is taken over", || pair.gone() > before);
}
