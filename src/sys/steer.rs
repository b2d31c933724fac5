//! Steering: the kernel hands each datagram to the socket whose worker owns its torrent.
//!
//! Sockets that share an address by SO_REUSEPORT form a group; a classic BPF program chooses the
//! member for each datagram. Ours does the sum that the router does, on the bytes at the place
//! where BEP 15 announces and scrapes have their (first) info-hash, so that no datagram takes the
//! way over a second worker. Nothing depends on it: where it is missing or wrong, the workers
//! write letters.

use std::io;
use std::os::fd::AsRawFd;

use super::check;

/// Where the first word of the info-hash is in an announce or scrape, in bytes.
const HASH_AT: u32 = 16;

/// A request with an info-hash is at least this long.
const LEN_MIN: u32 = 36;

/// Where the transaction id is in every request, in bytes.
const TRANSACTION_AT: u32 = 12;

/// An index that no group has: the kernel then chooses by addresses and ports.
const KERNELS_CHOICE: u32 = u32::MAX;

/// Has the kernel steer the group that `socket` belongs to: datagram to the member of index
/// `((word × odd_key) >> 16) mod members`, counted in the order of binding. The word is the first
/// of the info-hash, or the transaction id where there is no info-hash, so that connects spread.
///
/// To be called once for each group, when all members are bound.
pub fn attach(socket: &impl AsRawFd, odd_key: u32, members: u32) -> io::Result<()> {
    let mut program = program(odd_key, members);
    let program = libc::sock_fprog {
        len: program.len() as libc::c_ushort,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the program, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    };
    check(result)
}

fn program(odd_key: u32, members: u32) -> [libc::sock_filter; 11] {
    use libc::{
        BPF_A, BPF_ABS, BPF_ALU, BPF_JA, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_LEN, BPF_MOD,
        BPF_MUL, BPF_RET, BPF_RSH, BPF_W,
    };
    let jump = |code: u32, k, jt, jf| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let step = |code, k| jump(code, k, 0, 0);
    [
        // A load past the end would end the program with member 0: look at the length first.
        step(BPF_LD | BPF_W | BPF_LEN, 0),
        jump(BPF_JMP | BPF_JGE | BPF_K, LEN_MIN, 0, 2),
        step(BPF_LD | BPF_W | BPF_ABS, HASH_AT),
        step(BPF_JMP | BPF_JA, 3),
        jump(BPF_JMP | BPF_JGE | BPF_K, TRANSACTION_AT + 4, 1, 0),
        step(BPF_RET | BPF_K, KERNELS_CHOICE),
        step(BPF_LD | BPF_W | BPF_ABS, TRANSACTION_AT),
        step(BPF_ALU | BPF_MUL | BPF_K, odd_key),
        step(BPF_ALU | BPF_RSH | BPF_K, 16),
        step(BPF_ALU | BPF_MOD | BPF_K, members),
        step(BPF_RET | BPF_A, 0),
    ]
}
