//! What goes around the program: the manual, completions, packages, init scripts.

#![allow(clippy::unwrap_used)]

mod host;
mod manual;
mod openwrt;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// A file of the source tree.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Whether there are these programs, from Debian packages that root installs if need be; says
/// loudly if not.
fn has(programs: &[(&str, &str)]) -> bool {
    // One at a time: apt-get locks others out.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let lacks = |program: &str| {
        let found = Command::new("sh")
            .args(["-c", "command -v \"$0\"", program])
            .output();
        !found.unwrap().status.success()
    };
    let missing = programs.iter().filter(|(program, _)| lacks(program));
    let packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return true;
    }
    let install = source("scripts/install-packages");
    let output = Command::new("sh").arg(install).args(packages).output();
    let output = output.unwrap();
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        // Past the test runner, which would keep it for itself.
        let _ = write!(io::stderr(), "SKIPPED: {programs:?}: {why}");
    }
    output.status.success()
}

/// Runs a program to its end, which has to be a good one; what it wrote to stdout.
#[track_caller]
fn run(program: &str, args: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(program).args(args).output().unwrap();
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(
        status.success(),
        "{program} {args:?}: {status}\n{stdout}{stderr}"
    );
    stdout
}
