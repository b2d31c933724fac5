//! The allocator's habits, and what memory the system grants.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::Ration;

/// Blocks from this size on get pages of their own, which go back to the system when the block is
/// freed. The store's segments and slabs are larger when there are many of them.
#[cfg(target_env = "gnu")]
const OWN_PAGES_BYTES: libc::c_int = 64 * 1024;

/// Has freed memory go back to the system soon, where the allocator would rather keep it.
///
/// glibc by default raises the size from which blocks get their own pages as it goes; musl gives
/// memory back by itself.
pub fn give_back_early() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes values, and is called before there are threads.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES);
    }
}

/// Gives back what is free in between: what small allocations leave behind among those that stay.
pub fn give_back_now() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a value; the allocator does its own locking.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Keeps all threads to one heap. Each with its own would lose more between allocations, and
/// reserve more of the address space. To be called before there are threads.
pub fn keep_to_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes values.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// The memory of the process at present, in bytes, if the system tells.
pub fn resident() -> Option<usize> {
    status("VmRSS:")
}

fn status(name: &str) -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes << 10)
}

/// The lowest limit, in bytes, that the system sets to the memory of this process, and what sets
/// it; `None` if nothing does. Of a limited address space, what is reserved without being memory
/// does not count: what is so already, and `reserved` bytes more.
pub fn ceiling(reserved: usize) -> Option<(usize, &'static str)> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group_files(&groups, Path::new("/sys/fs/cgroup"))
        .into_iter()
        .filter_map(|file| limit(&fs::read_to_string(file).ok()?))
        .min();
    let group = group.map(|bytes| (bytes, "the control group (cgroup)"));
    let space = Ration::AddressSpace.limit().ok().and_then(|limit| {
        // More than there are addresses is no limit.
        let bytes = usize::try_from(limit.soft)
            .ok()
            .filter(|n| *n < usize::MAX)?;
        let idle = status("VmSize:")
            .unwrap_or(0)
            .saturating_sub(resident().unwrap_or(0));
        let left = bytes.saturating_sub(idle + reserved);
        Some((left, "the address space (ulimit -v)"))
    });
    group.into_iter().chain(space).min()
}

/// The files that may say how much memory the control groups of this process, and those around
/// them, get: version 2, and version 1.
fn group_files(groups: &str, root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (base, name) = match controllers {
            "" => (root.to_path_buf(), "memory.max"),
            list if list.split(',').any(|one| one == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let within = base.join(path.trim_start_matches('/'));
        let around = within.ancestors().take_while(|dir| dir.starts_with(&base));
        files.extend(around.map(|dir| dir.join(name)));
    }
    files
}

/// The number in such a file; the words and numbers for no limit are none.
fn limit(text: &str) -> Option<usize> {
    // Version 1 says the largest number of whole pages.
    const NONE: u64 = i64::MAX as u64 / 2;
    let bytes: u64 = text.trim().parse().ok()?;
    usize::try_from(bytes).ok().filter(|_| bytes < NONE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_of_both_versions_are_found() {
        let root = Path::new("/g");
        let groups = "4:cpu,memory:/a/b\n1:name=x:/c\n0::/d.slice/e f\nnonsense\n";
        let files = group_files(groups, root);
        let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "/g/memory/a/b/memory.limit_in_bytes",
                "/g/memory/a/memory.limit_in_bytes",
                "/g/memory/memory.limit_in_bytes",
                "/g/d.slice/e f/memory.max",
                "/g/d.slice/memory.max",
                "/g/memory.max",
            ]
        );
    }

    #[test]
    fn no_limit_has_several_names() {
        assert_eq!(limit("33554432\n"), Some(32 << 20));
        for none in ["max\n", "9223372036854771712\n", "", "-1"] {
            assert_eq!(limit(none), None, "{none}");
        }
    }

    #[test]
    fn the_process_has_memory() {
        assert!(resident().unwrap() > 100 << 10);
    }
}
