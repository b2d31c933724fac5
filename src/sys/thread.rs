//! The names of threads, where musl is.
//!
//! musl's own function writes to /proc for the sake of threads other than the calling one, with
//! printf, which nothing else needs: 20 KB on MIPS. The standard library names a thread from
//! within that thread only, and uses this one.

use std::ffi::{c_char, c_int};

/// Names the calling thread.
///
/// # Safety
/// `name` has to point to a C string.
// SAFETY: the symbol is musl's, with the same arguments and the same meaning to those who call it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_setname_np(_self: libc::pthread_t, name: *const c_char) -> c_int {
    // SAFETY: the kernel reads up to 16 bytes of a string that outlives the call.
    unsafe { libc::prctl(libc::PR_SET_NAME, name) }
}
