//! What a kill in the middle of a write leaves, made on purpose where it does not come by itself: pages that are half
//! written, in an SQLite store with a write-ahead log.
//!
//! SQLite copies pages from the log into the store while both are in use; a machine that stops then leaves pages of which
//! one half is old. Nothing is lost by it, since the log has them whole. And the log may end in the middle of a page that
//! was never committed. So both are done to the files as the kill left them, and all that was acknowledged must still be
//! there. (<https://www.sqlite.org/fileformat2.html#walformat>: big-endian; a header of 32 bytes with magic, version, page
//! size and two salts; frames of 24 bytes with page number, size after a commit and the salts, each with its page.)

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use reports::history::Hardship;

const MAGIC: [u32; 2] = [0x377f_0682, 0x377f_0683];
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// What stands in the half of a page that was not written.
const RUBBISH: u8 = 0xa5;

/// What is to be done to the files.
#[derive(Debug, PartialEq, Eq)]
struct Tear {
    page_bytes: usize,
    /// Pages of the store that the log has committed, from 1.
    pages: BTreeSet<u32>,
    /// Half a frame, to stand behind the last whole one.
    half: Vec<u8>,
    /// Where it stands.
    half_at: u64,
}

/// Tears the files of a registry that was just killed. `None` where they are not SQLite's, or its log has nothing.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn tear(store: &Path) -> io::Result<Option<Hardship>> {
    let log_path = PathBuf::from(format!("{}-wal", store.display()));
    let log = match fs::read(&log_path) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(tear) = plan(&log) else { return Ok(None) };
    let file = OpenOptions::new().read(true).write(true).open(store)?;
    let (size, half_page) = (file.metadata()?.len(), tear.page_bytes / 2);
    let mut pages = 0;
    for page in &tear.pages {
        let at = (u64::from(*page) - 1) * tear.page_bytes as u64;
        // What the store does not reach to yet has no old half.
        if at + tear.page_bytes as u64 <= size {
            file.write_all_at(&vec![RUBBISH; half_page], at + half_page as u64)?;
            pages += 1;
        }
    }
    OpenOptions::new().write(true).open(&log_path)?.write_all_at(&tear.half, tear.half_at)?;
    let (file, log_bytes) = (store.display().to_string(), tear.half.len() as u64);
    Ok(Some(Hardship::TornPages { file, pages, log_bytes }))
}

fn plan(log: &[u8]) -> Option<Tear> {
    let word = |at: usize| Some(u32::from_be_bytes(log.get(at..at + 4)?.try_into().ok()?));
    if !MAGIC.contains(&word(0)?) {
        return None;
    }
    let page_bytes =
        usize::try_from(word(8)?).ok().filter(|bytes| bytes.is_power_of_two() && *bytes >= 512)?;
    let salts = log.get(16..24)?;
    let (mut waiting, mut pages) = (Vec::new(), BTreeSet::new());
    let (mut at, mut half_at) = (LOG_HEADER, LOG_HEADER);
    let frame_bytes = FRAME_HEADER + page_bytes;
    // Frames of an earlier use of the log have other salts.
    while log.len() >= at + frame_bytes && log.get(at + 8..at + 16) == Some(salts) {
        waiting.push(word(at)?);
        at += frame_bytes;
        if word(at - frame_bytes + 4)? > 0 {
            pages.extend(waiting.drain(..));
            half_at = at;
        }
    }
    pages.remove(&0);
    let first = log.get(LOG_HEADER..LOG_HEADER + frame_bytes / 2)?;
    (!pages.is_empty()).then(|| Tear { page_bytes, pages, half: first.to_vec(), half_at: half_at as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 512;

    fn log(frames: &[(u32, u32, u8)]) -> Vec<u8> {
        let mut log = Vec::new();
        for word in [MAGIC[1], 3_007_000, PAGE as u32, 0, 0x0101_0101, 0x0101_0101, 0, 0] {
            log.extend(word.to_be_bytes());
        }
        for (page, commit, salt) in frames {
            log.extend(page.to_be_bytes());
            log.extend(commit.to_be_bytes());
            log.extend([*salt; 8]);
            log.extend([0; 8]);
            log.extend([*page as u8; PAGE]);
        }
        log
    }

    #[test]
    fn only_what_the_log_has_committed_is_torn() {
        // A commit of two pages, one of one; a page of no commit; what an earlier use of the log left.
        let tear = plan(&log(&[(3, 0, 1), (2, 9, 1), (3, 9, 1), (7, 0, 1), (8, 9, 2)])).unwrap();
        assert_eq!((tear.page_bytes, tear.pages), (PAGE, BTreeSet::from([2, 3])));
        assert_eq!(tear.half_at, (LOG_HEADER + 3 * (FRAME_HEADER + PAGE)) as u64);
        assert_eq!(tear.half.len(), (FRAME_HEADER + PAGE) / 2);
        assert_eq!(plan(&log(&[(3, 0, 1)])), None, "nothing is committed");
        assert_eq!(plan(&log(&[])), None);
        assert_eq!(plan(b"no log at all, but long enough to have a header"), None);
        let cut = log(&[(2, 9, 1), (3, 9, 1)]);
        assert_eq!(plan(&cut[..cut.len() - 1]).unwrap().pages, BTreeSet::from([2]));
    }

    #[test]
    fn a_torn_page_keeps_its_first_half_and_what_is_not_there_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        fs::write(&store, [1; 3 * PAGE]).unwrap();
        assert_eq!(tear(&store).unwrap(), None, "no log");
        fs::write(folder.path().join("store.db-wal"), log(&[(2, 0, 1), (9, 9, 1)])).unwrap();
        let Some(Hardship::TornPages { pages, .. }) = tear(&store).unwrap() else { panic!("nothing torn") };
        assert_eq!(pages, 1);
        let torn = fs::read(&store).unwrap();
        assert!(torn[..PAGE + PAGE / 2].iter().all(|byte| *byte == 1));
        assert!(torn[PAGE + PAGE / 2..2 * PAGE].iter().all(|byte| *byte == RUBBISH));
        assert!(torn[2 * PAGE..].iter().all(|byte| *byte == 1) && torn.len() == 3 * PAGE);
    }
}
