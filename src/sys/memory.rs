//! The allocator's habits.

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
