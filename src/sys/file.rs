//! Files that are more than bytes with a name: only regular ones, and fifos.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Reads a regular file of at most `bytes_max`; anything else could block, or never end.
pub fn read_regular(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let mut text = Vec::new();
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    text.try_reserve_exact(len.min(bytes_max).saturating_add(1))?;
    file.take(bytes_max as u64 + 1).read_to_end(&mut text)?;
    if text.len() > bytes_max {
        return Err(io::Error::other(format!("larger than {bytes_max} bytes")));
    }
    Ok(text)
}

/// Puts a file in the place of what is there, whole or not at all: even a system that fails leaves
/// one or the other. Who else may read it stays as it was; a new one is for its owner alone.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mode = fs::metadata(path).map_or(0o600, |about| about.permissions().mode() & 0o777);
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut file = create(new, mode)?;
    let written = file.write_all(bytes);
    let replaced = written.and_then(|()| take_place(&file, new, path));
    if replaced.is_err() {
        // Half a file is of no use to anybody.
        let _ = fs::remove_file(new);
    }
    replaced
}

/// Opens a regular file for reading.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Opening a fifo would wait for its other end.
    let file = options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = file.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

/// Opens a regular file to be written to at its end, made if there is none (mode 0640, less the
/// umask).
pub fn append_regular(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Opening a fifo would wait for its other end, or fail.
    let options = options.append(true).create(true).mode(0o640);
    let file = options.custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

/// Makes a file that only its owner may read. A file of that name gives way to it; what a link of
/// that name leads to stays.
pub fn create_private(path: &Path) -> io::Result<File> {
    create(path, 0o600)
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    // One that was left behind may be somebody else's, or a link.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path)
}

/// Puts a file in the place of another in one step, so that after a crash of the whole system too
/// it is the one or the other, whole.
pub fn take_place(file: &File, path: &Path, old: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(path, old)?;
    // The name lies in the directory, which is written by itself.
    let dir = old.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

/// Opens a fifo, made if there is nothing of that name (mode 0644, less the umask). Reading from
/// it blocks, and never comes to an end.
pub fn open_fifo(path: &Path) -> io::Result<File> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a valid C string that outlives the call.
    if unsafe { libc::mkfifo(name.as_ptr(), 0o644) } != 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(error);
        }
    }
    if !fs::metadata(path)?.file_type().is_fifo() {
        return Err(io::Error::other("it is there already, and no fifo"));
    }
    // A reader who also holds the other end neither waits for writers nor sees them leave.
    OpenOptions::new().read(true).write(true).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_stays_as_readable_as_it_was() {
        let dir = std::env::temp_dir().join(format!("trackerd-replace-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("list");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        replace(&path, b"one").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode()), (b"one".to_vec(), 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        // Somebody was interrupted.
        fs::write(dir.join("list.new"), b"half").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode()), (b"two".to_vec(), 0o644));
        assert!(replace(&dir.join("missing/list"), b"x").is_err());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(&dir).unwrap();
    }
}
