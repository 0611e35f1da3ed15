//! A bridge's mark on disk: how far ahead of the clock it may have taken first messages, which is what
//! the next process of its key has to know.
//!
//! ```text
//!   <key file>.replay, mode 0600: two records, written in turn, so that one of them is always whole
//!
//!   0          8               16       20          512
//!   +----------+---------------+--------+-- zeros --+-- the other record
//!   | magic    | mark, ms      | CRC-32 |           |
//!   +----------+---------------+--------+-- - - - --+--
//!              since 1970-01-01, big-endian; the CRC is over the 16 octets before it
//! ```
//!
//! The file is opened before the sandbox is entered and written in place: inside, no file can be made
//! or opened, and none needs to be.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ap2ap_stream::{BridgeIdentity, PublicKey, REPLAY_WINDOW, SecretKey};
use ap2ap_tokio::wall_time;
use tracing::{debug, info, warn};

/// The mark is written so far ahead of the clock: as far as a client's clock may be, and as long again
/// as the next writing may be late.
const AHEAD: Duration = Duration::from_secs(180);

/// And as often.
const RENEWED_EVERY: Duration = Duration::from_secs(60);

/// A mark so far ahead is no mark of a clock that was right: it is told how to be rid of it.
const FAR_AHEAD: Duration = Duration::from_secs(3600);

const _: () = assert!(AHEAD.as_secs() >= REPLAY_WINDOW.as_secs() + RENEWED_EVERY.as_secs());

const MAGIC: &[u8; 8] = b"ap2apRM1";
const RECORD_LEN: usize = 20;

/// Where the records are, in octets: in sectors of their own, which a disk writes whole or not at all.
const PLACES: [u64; 2] = [0, 512];

/// Only the owner may read it: it tells when the bridge ran.
const MODE: u32 = 0o600;

/// A mark that is kept up.
#[derive(Debug)]
pub(crate) struct ReplayMark {
    name: PathBuf,
    /// `None` if there is no file to write to.
    file: Option<Arc<Mutex<MarkFile>>>,
    identity: BridgeIdentity,
    has_failed: bool,
}

/// What was found at the start.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// A new file.
    Nothing,
    /// The mark that the last process left.
    Mark(Duration),
    /// Something that is no mark, beside this one if there is one.
    Damaged(Option<Duration>),
}

impl ReplayMark {
    /// The identity that goes with the key in the file `key_file`, and the mark beside it, which is
    /// written for the first time. Whatever is wrong with it is told, and costs clients a round trip.
    pub(crate) fn begin(key_file: &Path, key: SecretKey) -> Self {
        let (now, name) = (wall_time(), name_of(key_file));
        let (file, mark) = match MarkFile::open(&name) {
            Ok((file, found)) => (Some(Arc::new(Mutex::new(file))), found.mark(now, &name)),
            Err(error) => {
                warn_of(&name, &error);
                (None, now + AHEAD)
            }
        };
        let has_failed = file.is_none();
        let identity = BridgeIdentity::new(key, now).resuming_from(mark).giving_tickets();
        let mut this = Self { name, file, identity, has_failed };
        if let Some(file) = this.file.clone() {
            this.note(write(&file));
        }
        this
    }

    /// Lets only these clients in.
    pub(crate) fn allowing(mut self, clients: Option<Vec<PublicKey>>) -> Self {
        if let Some(clients) = clients {
            self.identity = self.identity.allowing(clients);
        }
        self
    }

    pub(crate) const fn identity(&self) -> &BridgeIdentity {
        &self.identity
    }

    /// Renews the mark for as long as it is polled; the disk is waited for elsewhere.
    pub(crate) async fn keep(mut self) -> Infallible {
        let Some(file) = self.file.clone() else { return std::future::pending().await };
        loop {
            // To attach may have taken minutes, so it is renewed before the first wait.
            let file = Arc::clone(&file);
            // It fails only if it panics or the runtime ends.
            if let Ok(written) = tokio::task::spawn_blocking(move || write(&file)).await {
                self.note(written);
            }
            tokio::time::sleep(RENEWED_EVERY).await;
        }
    }

    fn note(&mut self, written: io::Result<Duration>) {
        match written {
            Ok(mark) => {
                self.identity.promise_until(mark);
                if std::mem::take(&mut self.has_failed) {
                    info!("{} can be written again", self.name.display());
                }
            }
            Err(error) if self.has_failed => debug!(%error, "the mark is still not written"),
            Err(error) => {
                warn_of(&self.name, &error);
                self.has_failed = true;
            }
        }
    }
}

impl Found {
    /// From when on first messages' data may be taken again.
    fn mark(self, now: Duration, name: &Path) -> Duration {
        let name = name.display();
        match self {
            Self::Nothing => Duration::ZERO,
            Self::Mark(mark) => {
                let ahead = mark.saturating_sub(now);
                if ahead > FAR_AHEAD {
                    warn!(
                        hours = ahead.as_secs() / 3600,
                        "{name} is ahead of the clock: either that went back, or it was wrong when \
                         the bridge ran last. Until it gets there requests take a round trip longer. \
                         If it is right now, and was wrong for more than a few minutes then, remove \
                         the file while the bridge is stopped"
                    );
                }
                mark
            }
            Self::Damaged(mark) => {
                // Nobody knows what it said: as much as it can have said, if the clock did not go back.
                let seconds = AHEAD.as_secs();
                warn!("{name} is damaged: requests take a round trip longer for {seconds} s");
                mark.unwrap_or_default().max(now + AHEAD)
            }
        }
    }
}

fn warn_of(name: &Path, error: &io::Error) {
    let name = name.display();
    warn!(
        %error,
        "{name} cannot be written: it tells the next start which requests are copies, so without it \
         every request takes a round trip longer. Keep the key in a directory that the bridge may \
         write to"
    );
}

fn name_of(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push(".replay");
    name.into()
}

fn write(file: &Mutex<MarkFile>) -> io::Result<Duration> {
    // What is in it stands for itself after each write, whether it succeeded or not.
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.write(wall_time() + AHEAD)
}

/// The file, and what was written last.
#[derive(Debug)]
struct MarkFile {
    file: File,
    mark: Duration,
    next: usize,
}

impl MarkFile {
    fn open(name: &Path) -> io::Result<(Self, Found)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(MODE);
        let file = options.open(name)?;
        // A file that was just made is in its directory after a loss of power too.
        let directory = name.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        let mut marks = Vec::new();
        let mut damaged = false;
        for (index, place) in PLACES.into_iter().enumerate() {
            match read_record(&file, place)? {
                Record::Empty => {}
                Record::Mark(mark) => marks.push((mark, index)),
                Record::Damaged => damaged = true,
            }
        }
        let newest = marks.into_iter().max();
        let found = match newest {
            mark if damaged => Found::Damaged(mark.map(|(mark, _)| mark)),
            Some((mark, _)) => Found::Mark(mark),
            None => Found::Nothing,
        };
        // The older one is written over first.
        let next = newest.map_or(0, |(_, index)| 1 - index);
        let mark = newest.map_or(Duration::ZERO, |(mark, _)| mark);
        Ok((Self { file, mark, next }, found))
    }

    /// Writes the mark, or a later one that stands there, and says which.
    fn write(&mut self, mark: Duration) -> io::Result<Duration> {
        let mark = self.mark.max(mark);
        let place = PLACES.get(self.next).copied().unwrap_or_default();
        self.file.write_all_at(&record(mark), place)?;
        self.file.sync_data()?;
        self.next = 1 - self.next;
        self.mark = mark;
        Ok(mark)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Record {
    Empty,
    Mark(Duration),
    Damaged,
}

fn record(mark: Duration) -> [u8; RECORD_LEN] {
    let ms = u64::try_from(mark.as_millis()).unwrap_or(u64::MAX);
    let mut record = [0; RECORD_LEN];
    let (covered, crc) = record.split_at_mut(RECORD_LEN - 4);
    let (magic, time) = covered.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    time.copy_from_slice(&ms.to_be_bytes());
    crc.copy_from_slice(&crc32fast::hash(covered).to_be_bytes());
    record
}

fn read_record(file: &File, place: u64) -> io::Result<Record> {
    let mut octets = [0; RECORD_LEN];
    let mut len = 0;
    while let Some(rest) = octets.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, place + u64::try_from(len).unwrap_or_default())? {
            0 => break,
            more => len += more,
        }
    }
    // What was never written is not there, or a hole.
    if octets == [0; RECORD_LEN] {
        return Ok(Record::Empty);
    }
    let ms = octets.get(MAGIC.len()..).and_then(|rest| rest.first_chunk().copied());
    let mark = Duration::from_millis(ms.map(u64::from_be_bytes).unwrap_or_default());
    Ok(if record(mark) == octets { Record::Mark(mark) } else { Record::Damaged })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn found(name: &Path) -> Found {
        MarkFile::open(name).unwrap().1
    }

    #[test]
    fn the_last_mark_is_found_again_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("k.replay");
        let (mut file, nothing) = MarkFile::open(&name).unwrap();
        assert_eq!(nothing, Found::Nothing);
        for later in [0, 1, 2, 7] {
            assert_eq!(file.write(NOW + later * SECOND).unwrap(), NOW + later * SECOND);
            assert_eq!(found(&name), Found::Mark(NOW + later * SECOND));
        }
        assert_eq!(file.write(NOW).unwrap(), NOW + 7 * SECOND, "the clock went back");
        let (mut file, _) = MarkFile::open(&name).unwrap();
        assert_eq!(file.write(NOW).unwrap(), NOW + 7 * SECOND, "and over a restart");
        let mode = fs::metadata(&name).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
    }

    #[test]
    fn a_record_that_was_half_written_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("k.replay");
        let (mut file, _) = MarkFile::open(&name).unwrap();
        file.write(NOW).unwrap();
        file.write(NOW + SECOND).unwrap();
        for len in 1..RECORD_LEN {
            let half = &record(NOW + 2 * SECOND)[..len];
            let old = &record(NOW)[len..];
            file.file.write_all_at(&[half, old].concat(), PLACES[0]).unwrap();
            let found = found(&name);
            let mark = match found {
                Found::Damaged(mark) => mark.unwrap(),
                // So much of it may be the same that it is whole.
                Found::Mark(mark) => mark,
                Found::Nothing => panic!("nothing after {len} octets"),
            };
            assert!(mark >= NOW + SECOND, "{len} octets");
        }
    }

    #[test]
    fn every_octet_that_is_changed_or_missing_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("k.replay");
        let (mut file, _) = MarkFile::open(&name).unwrap();
        file.write(NOW).unwrap();
        for place in 0..RECORD_LEN {
            let mut changed = record(NOW);
            changed[place] ^= 0x10;
            file.file.write_all_at(&changed, PLACES[0]).unwrap();
            assert_eq!(found(&name), Found::Damaged(None), "octet {place}");
        }
        for len in 1..RECORD_LEN {
            fs::write(&name, &record(NOW)[..len]).unwrap();
            assert_eq!(found(&name), Found::Damaged(None), "{len} octets");
        }
    }

    #[test]
    fn what_is_damaged_refuses_for_as_long_as_it_can_have_said() {
        let mark = |found: Found| found.mark(NOW, Path::new("k.replay"));
        assert_eq!(mark(Found::Nothing), Duration::ZERO);
        assert_eq!(mark(Found::Mark(NOW - SECOND)), NOW - SECOND);
        assert_eq!(mark(Found::Damaged(None)), NOW + AHEAD);
        assert_eq!(mark(Found::Damaged(Some(NOW + FAR_AHEAD))), NOW + FAR_AHEAD);
    }

    #[test]
    fn where_nothing_can_be_written_the_bridge_has_an_identity_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let key_file = dir.path().join("gone").join("k");
        let mark = ReplayMark::begin(&key_file, SecretKey::from_octets([1; 32]));
        assert!(mark.file.is_none() && mark.has_failed);
    }
}
