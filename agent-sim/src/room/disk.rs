//! Becomes the registry in a namespace of mounts of its own, in which its folder is a small disk in memory.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;

use super::enter;

/// What takes the room of a small disk.
pub(super) const BALLAST: &str = ".wallflower-ballast";

/// `FOLDER BYTES [PROGRAM [ARGUMENT...]]`: what lies in the folder lies on the disk as well. Returns only without a
/// program. To be called while the process has one thread.
///
/// # Errors
/// What is not allowed here or went wrong, in words.
pub(super) fn run(words: &[OsString]) -> Result<(), String> {
    let [folder, bytes, program @ ..] = words else {
        return Err("a small disk needs FOLDER BYTES; it is the harness that calls it".to_owned());
    };
    let bytes: u64 = bytes
        .to_str()
        .and_then(|bytes| bytes.parse().ok())
        .ok_or("the size of a small disk is a number of bytes")?;
    let folder = Path::new(folder);
    let trouble = |what: &str, error: io::Error| format!("{what} {}: {error}", folder.display());
    // Opened before the disk hides it.
    let beneath = File::open(folder).map_err(|error| trouble("cannot open", error))?;
    enter::leave(CloneFlags::CLONE_NEWNS, "mount")?;
    let options = format!("size={bytes},mode=700");
    mount(
        Some("none"),
        folder,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(options.as_str()),
    )
    .map_err(|error| trouble("the kernel refuses a small disk over", error.into()))?;
    copy_files(&through(&beneath), folder).map_err(|error| trouble("cannot copy the files of", error))?;
    let Some((program, arguments)) = program.split_first() else { return Ok(()) };
    let error = Command::new(program).args(arguments).exec();
    Err(format!("cannot start {}: {error}", Path::new(program).display()))
}

/// The path of an open folder, wherever it is mounted, if anywhere.
pub(super) fn through(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// Copies files, folders and symbolic links into a folder. Sockets and the like hold nothing.
pub(super) fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, copy) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir(&copy)?;
            copy_files(&entry.path(), &copy)?;
            fs::set_permissions(&copy, entry.metadata()?.permissions())?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &copy)?;
        } else if kind.is_file() && entry.file_name() != BALLAST {
            fs::copy(entry.path(), &copy)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_copy_has_files_folders_links_and_permissions_but_no_ballast() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("wal")).unwrap();
        fs::write(from.path().join("wal/0.log"), "first").unwrap();
        fs::set_permissions(from.path().join("wal/0.log"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(from.path().join("wal"), fs::Permissions::from_mode(0o500)).unwrap();
        symlink("wal/0.log", from.path().join("current")).unwrap();
        fs::write(from.path().join(BALLAST), "weight").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(from.path().join("door")).unwrap();

        copy_files(&through(&File::open(from.path()).unwrap()), to.path()).unwrap();

        let mut names: Vec<_> = fs::read_dir(to.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["current", "wal"]);
        assert_eq!(fs::read_to_string(to.path().join("current")).unwrap(), "first");
        let mode = |path: &str| fs::metadata(to.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("wal"), mode("wal/0.log")), (0o500, 0o640));
        // Else nobody but root could remove it.
        for folder in [from.path(), to.path()] {
            fs::set_permissions(folder.join("wal"), fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}
