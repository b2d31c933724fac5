//! Files that are more than bytes with a name: only regular ones, and fifos.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Reads a regular file of at most `bytes_max`; anything else could block, or never end.
pub fn read_regular(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    // Opening a fifo would wait for its other end.
    let file = options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = file.open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    let len = usize::try_from(about.len()).unwrap_or(usize::MAX);
    text.try_reserve_exact(len.min(bytes_max).saturating_add(1))?;
    file.take(bytes_max as u64 + 1).read_to_end(&mut text)?;
    if text.len() > bytes_max {
        return Err(io::Error::other(format!("larger than {bytes_max} bytes")));
    }
    Ok(text)
}

/// Puts a file in the place of what is there, whole or not at all: even a system that fails leaves
/// one or the other.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut file = File::create(new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let replaced = written.and_then(|()| fs::rename(new, path));
    if replaced.is_err() {
        // Half a file is of no use to anybody.
        let _ = fs::remove_file(new);
    }
    replaced
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
