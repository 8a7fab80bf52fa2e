//! The harness's side of a small disk: how large it has to be, filling it, making room again, getting the files back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::disk::{BALLAST, copy_files, through};
use super::outside::tried;
use super::{DISK_WORD, RoomProgram};
use crate::process::{Host, LaunchSpec, RegistryProcess};

const MIB: u64 = 1 << 20;

/// Room beside the files, bytes: as much as they take, since who cuts a log of fixed size makes the next one at once.
const LEAST_ROOM: u64 = 8 * MIB;
const MOST_ROOM: u64 = 128 * MIB;

/// The disk is memory.
const LARGEST: u64 = 512 * MIB;

/// Pieces in which it is filled: large ones first.
const PIECES: [usize; 2] = [1 << 20, 1 << 12];

/// How large a disk is to be that takes the files of this folder and some more, bytes.
///
/// # Errors
/// That this machine has no memory for it, in words; or that the files cannot be looked at.
pub fn disk_size(folder: &Path) -> Result<u64, String> {
    let files =
        taken(folder).map_err(|error| format!("{} cannot be looked at: {error}", folder.display()))?;
    let bytes = files + files.clamp(LEAST_ROOM, MOST_ROOM);
    let told = format!("a disk in memory for its files would take {} MiB", bytes.div_ceil(MIB));
    if bytes > LARGEST {
        return Err(format!("{told}, more than the {} that are tried", LARGEST / MIB));
    }
    match Host::look().available_bytes {
        Some(available) if available < 2 * bytes => {
            Err(format!("{told}, and this machine has {} left", available / MIB))
        }
        _ => Ok(bytes),
    }
}

/// What the files of a folder take on a disk, whole pages each.
fn taken(folder: &Path) -> io::Result<u64> {
    const PAGE: u64 = 4096;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += PAGE;
        if found.is_dir() {
            bytes += taken(&entry.path())?;
        } else if found.is_file() {
            bytes += found.len().next_multiple_of(PAGE);
        }
    }
    Ok(bytes)
}

/// Whether a small disk can be had here: one is laid over an empty folder, and left.
///
/// # Errors
/// Why not, in words.
pub async fn can_have_disk(room: &RoomProgram) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a temporary folder: {error}"))?;
    let words = [DISK_WORD.to_owned(), folder.path().display().to_string(), LEAST_ROOM.to_string()];
    tried(room, &words).await
}

/// The same registry with a small disk as its folder. The network is the machine's, and its process is its own.
pub fn on_small_disk(spec: &LaunchSpec, room: &RoomProgram, bytes: u64) -> LaunchSpec {
    let mut arguments = room.arguments.clone();
    arguments.extend([DISK_WORD.to_owned(), "{dir}".to_owned(), bytes.to_string()]);
    arguments.push(spec.program.display().to_string());
    arguments.extend(spec.arguments.iter().cloned());
    LaunchSpec { program: room.program.clone(), arguments, ..spec.clone() }
}

/// The disk of a registry that was started by [`on_small_disk`]. It is there until this is dropped and the registry has
/// ended, whichever is later.
#[derive(Debug)]
pub struct SmallDisk {
    /// What is open is not taken away, whoever ends.
    top: File,
}

impl SmallDisk {
    /// Of a running registry.
    ///
    /// # Errors
    /// When it cannot be reached, or the registry has none.
    pub fn of(process: &RegistryProcess) -> io::Result<Self> {
        let folder = process.folder().canonicalize()?;
        let below_root = folder.strip_prefix("/").unwrap_or(&folder);
        let top = File::open(Path::new(&format!("/proc/{}/root", process.pid())).join(below_root))?;
        if top.metadata()?.dev() == fs::metadata(&folder)?.dev() {
            return Err(io::Error::other("the registry's folder is on the machine's own disk"));
        }
        Ok(Self { top })
    }

    /// Takes all room that is left; gives how much was taken now, bytes. To be called off the runtime the first time.
    ///
    /// # Errors
    /// When anything but the end of the room is in the way.
    pub fn fill(&self) -> io::Result<u64> {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.ballast())?;
        let zeros = vec![0; PIECES[0]];
        let mut taken = 0;
        for size in PIECES {
            loop {
                match ballast.write(&zeros[..size]) {
                    Ok(written) => taken += written as u64,
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(taken)
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// When it cannot.
    pub fn make_room(&self) -> io::Result<()> {
        fs::remove_file(self.ballast())
    }

    /// Puts the registry's files in place of those in this folder.
    ///
    /// # Errors
    /// When one cannot be read or written.
    pub fn copy_out(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        copy_files(&through(&self.top), folder)
    }

    fn ballast(&self) -> std::path::PathBuf {
        through(&self.top).join(BALLAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_for_the_files_and_for_as_much_again_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disk_size(folder.path()).unwrap(), LEAST_ROOM);
        fs::create_dir(folder.path().join("wal")).unwrap();
        // As logs are laid out before they are written.
        for (name, bytes) in [("wal/0", 64 * MIB), ("wal/1", 64 * MIB), ("db", 1)] {
            File::create(folder.path().join(name)).unwrap().set_len(bytes).unwrap();
        }
        // The folder, three files with an entry each, and the only page of one of them.
        let files = 128 * MIB + 5 * 4096;
        assert_eq!(taken(folder.path()).unwrap(), files);
        assert_eq!(disk_size(folder.path()).unwrap(), files + MOST_ROOM);
        File::create(folder.path().join("db")).unwrap().set_len(400 * MIB).unwrap();
        let told = disk_size(folder.path()).unwrap_err();
        assert!(told.contains("more than the 512"), "{told}");
    }
}
