//! What a client leaves to its next process: a ticket of each bridge, and what was learned of paths.
//!
//! ```text
//!   --state FILE, mode 0600, locked: two records, written in turn, so that one of them is always whole
//!
//!   0        8           16      20        20 + length
//!   +--------+-----------+-------+-- text --+--------+-- ... --+-- the other record, from 64 KiB on
//!   | magic  | sequence  | length|          | CRC-32 |
//!   +--------+-----------+-------+----------+--------+
//!                big-endian; the CRC is over all before it
//!
//!   ticket <bridge's key> <until> <base32>      one line for each bridge
//!   path <peer> <seen> <path memory>            one line for each of its names
//! ```
//!
//! The file is opened before the sandbox is entered and written in place: inside, no file can be made or
//! opened, and none needs to be. Whatever is wrong with it is told once, and costs early data and an old
//! session that the bridge keeps for longer, nothing else.

mod contents;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ap2ap_stream::{PathMemory, PublicKey, Ticket};
use ap2ap_tokio::wall_time;
use carrier::PeerId;
use tracing::{debug, info, warn};
use tunnel::Memory;

use contents::Contents;

/// Only the owner may read it: a ticket takes a session over.
const MODE: u32 = 0o600;

const MAGIC: &[u8; 8] = b"skypst01";
const HEAD_LEN: usize = 20;
const CRC_LEN: usize = 4;

/// Where the records are, in octets, and so how long one may be.
const PLACES: [u64; 2] = [0, 65_536];
const RECORD_MAX: usize = 65_536;

/// What was learned of paths is written no more often than this: a rate changes all the time.
const PATHS_WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// The memory of a client, in a file.
#[derive(Debug)]
pub(crate) struct StateFile {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: PathBuf,
    state: Mutex<State>,
    /// Locked while the disk is waited for, never within the other lock.
    disk: Mutex<Disk>,
}

#[derive(Debug)]
struct State {
    contents: Contents,
    /// When paths were written last, on the wall clock.
    paths_written: Duration,
}

#[derive(Debug)]
struct Disk {
    file: File,
    sequence: u64,
    has_failed: bool,
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("another process uses it")]
    InUse,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StateFile {
    /// The file, and what an earlier process left in it. `None`, with a warning, if it cannot be used.
    pub(crate) fn open(name: &Path) -> Option<Self> {
        let shown = name.display();
        match Self::try_open(name) {
            Ok(this) => Some(this),
            Err(OpenError::InUse) => {
                warn!(
                    "{shown} is in use by another process: this one goes on without it. Name another \
                     file with --state, or stop the other process"
                );
                None
            }
            Err(OpenError::Io(error)) => {
                warn!(
                    %error,
                    "{shown} cannot be used: the next start will not take this one's session over. \
                     Name a file with --state in a directory that the client may write to"
                );
                None
            }
        }
    }

    fn try_open(name: &Path) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(MODE).open(name)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let (sequence, text) = read(&file, name)?;
        let contents = Contents::parse(&text, wall_time());
        if contents.is_ahead() {
            warn!(
                "{} is ahead of the clock: either that went back, or it was wrong when the client ran \
                 last. Its ticket is not used: the bridge keeps the last session for as long as it \
                 keeps a lost one",
                name.display()
            );
        }
        let state = State { contents, paths_written: Duration::ZERO };
        let disk = Disk { file, sequence, has_failed: false };
        let (state, disk) = (Mutex::new(state), Mutex::new(disk));
        Ok(Self { shared: Arc::new(Shared { name: name.to_owned(), state, disk }) })
    }

    /// Writes elsewhere, for the disk may take its time.
    fn write(&self) {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.write());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken once the disk is free, so that the newest is what stays.
        let text = self.state().contents.to_text();
        let written = disk.write(&text);
        let name = self.name.display();
        match (written, disk.has_failed) {
            (Ok(()), true) => info!("{name} can be written again"),
            (Ok(()), false) => {}
            (Err(error), true) => debug!(%error, "the state is still not written"),
            (Err(error), false) => {
                disk.has_failed = true;
                warn!(
                    %error,
                    "{name} cannot be written: the next start may not take this one's session over. \
                     Make room on its disk"
                );
                return;
            }
        }
        disk.has_failed = false;
    }
}

impl Disk {
    fn write(&mut self, text: &str) -> io::Result<()> {
        let sequence = self.sequence.saturating_add(1);
        let record = record(sequence, text);
        let place = PLACES.get(usize::from(sequence % 2 == 1)).copied().unwrap_or_default();
        self.file.write_all_at(&record, place)?;
        self.file.sync_data()?;
        self.sequence = sequence;
        Ok(())
    }
}

impl Memory for StateFile {
    fn take_ticket(&self, bridge: &PublicKey) -> Option<Ticket> {
        let ticket = self.shared.state().contents.take_ticket(bridge, wall_time())?;
        // It is used once, whatever becomes of this process.
        self.write();
        Some(ticket)
    }

    fn keep_ticket(&self, bridge: &PublicKey, ticket: Ticket) {
        self.shared.state().contents.keep_ticket(bridge, ticket, wall_time());
        self.write();
    }

    fn path(&self, peer: &PeerId) -> Option<PathMemory> {
        self.shared.state().contents.path(peer)
    }

    fn keep_path(&self, peer: &PeerId, memory: PathMemory) {
        let now = wall_time();
        let is_due = {
            let mut state = self.shared.state();
            state.contents.keep_path(peer, memory, now);
            // A clock that was set back is no reason to wait for it.
            let is_due = now.abs_diff(state.paths_written) >= PATHS_WRITTEN_EVERY;
            if is_due {
                state.paths_written = now;
            }
            is_due
        };
        if is_due {
            self.write();
        }
    }
}

fn record(sequence: u64, text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut record = Vec::with_capacity(HEAD_LEN + text.len() + CRC_LEN);
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&sequence.to_be_bytes());
    record.extend_from_slice(&len.to_be_bytes());
    record.extend_from_slice(text);
    record.extend_from_slice(&crc32fast::hash(&record).to_be_bytes());
    record
}

/// The newest whole record. Says so if there is something that is none.
fn read(file: &File, name: &Path) -> io::Result<(u64, String)> {
    let mut newest: Option<(u64, String)> = None;
    let mut is_damaged = false;
    for place in PLACES {
        let mut octets = vec![0; RECORD_MAX];
        let mut len = 0;
        while let Some(rest) = octets.get_mut(len..).filter(|rest| !rest.is_empty()) {
            match file
                .read_at(rest, place.saturating_add(u64::try_from(len).unwrap_or_default()))?
            {
                0 => break,
                more => len += more,
            }
        }
        octets.truncate(len);
        match parse(&octets) {
            Some(found) if newest.as_ref().is_none_or(|known| known.0 < found.0) => {
                newest = Some(found);
            }
            Some(_) => {}
            None => is_damaged |= octets.iter().any(|octet| *octet != 0),
        }
    }
    if is_damaged {
        let name = name.display();
        match &newest {
            Some(_) => warn!("{name} is damaged in part: the record before the last one is used"),
            None => warn!(
                "{name} is damaged, or of another version: what it held is forgotten, and it is \
                 written anew"
            ),
        }
    }
    Ok(newest.unwrap_or_default())
}

fn parse(octets: &[u8]) -> Option<(u64, String)> {
    let rest = octets.strip_prefix(MAGIC)?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    let (text, rest) = rest.split_at_checked(len)?;
    let crc = rest.first_chunk()?;
    let covered = octets.get(..HEAD_LEN.checked_add(len)?)?;
    if crc32fast::hash(covered).to_be_bytes() != *crc {
        return None;
    }
    Some((u64::from_be_bytes(*sequence), String::from_utf8(text.to_vec()).ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key() -> PublicKey {
        ap2ap_stream::SecretKey::from_octets([3; 32]).public()
    }

    fn ticket(number: u8) -> Ticket {
        Ticket::from_octets(&[number; Ticket::LEN])
    }

    fn keep(file: &StateFile, number: u8) {
        file.shared.state().contents.keep_ticket(&key(), ticket(number), wall_time());
        file.shared.write();
    }

    fn take(file: &StateFile) -> Option<Ticket> {
        file.shared.state().contents.take_ticket(&key(), wall_time())
    }

    #[test]
    fn the_newest_is_found_again_and_nobody_else_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("state");
        let file = StateFile::try_open(&name).unwrap();
        for number in 1..=5 {
            keep(&file, number);
        }
        drop(file);
        assert_eq!(fs::metadata(&name).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(take(&StateFile::try_open(&name).unwrap()), Some(ticket(5)));
    }

    #[test]
    fn a_second_process_is_told_that_it_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("state");
        let file = StateFile::try_open(&name).unwrap();
        assert!(matches!(StateFile::try_open(&name), Err(OpenError::InUse)));
        drop(file);
        assert!(StateFile::try_open(&name).is_ok());
    }

    #[test]
    fn a_record_that_was_cut_or_changed_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("state");
        let file = StateFile::try_open(&name).unwrap();
        keep(&file, 1);
        keep(&file, 2);
        drop(file);
        let whole = fs::read(&name).unwrap();
        for place in 0..HEAD_LEN + 40 {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            fs::write(&name, &changed).unwrap();
            assert_eq!(take(&StateFile::try_open(&name).unwrap()), Some(ticket(1)), "{place}");
        }
        fs::write(&name, &whole[..30]).unwrap();
        assert_eq!(take(&StateFile::try_open(&name).unwrap()), None);
        fs::write(&name, b"something else altogether").unwrap();
        let file = StateFile::try_open(&name).unwrap();
        assert_eq!(take(&file), None);
        keep(&file, 7);
        drop(file);
        assert_eq!(take(&StateFile::try_open(&name).unwrap()), Some(ticket(7)));
    }

    #[test]
    fn a_full_disk_is_said_and_nothing_else_happens() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            println!("skipped: there is no /dev/full");
            return;
        }
        let mut disk = Disk {
            file: OpenOptions::new().read(true).write(true).open(full).unwrap(),
            sequence: 0,
            has_failed: false,
        };
        assert!(disk.write("ticket").is_err());
        assert_eq!(disk.sequence, 0, "the same place is tried again");
    }
}
