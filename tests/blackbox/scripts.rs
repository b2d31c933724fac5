//! The scripts for machines without an init system.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::harness::tracker::Setup;
use crate::harness::{eventually, shout};

fn script(name: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg(format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR")));
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn tell(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-s", signal, &pid]).status();
    assert!(status.unwrap().success());
}

/// A stand-in that writes its words down and ends as these lines say.
fn stand_in(setup: &Setup, name: &str, lines: &str) -> PathBuf {
    let path = setup.path(name);
    let log = setup.path("words").display().to_string();
    fs::write(&path, format!("#!/bin/sh\necho \"$@\" >> {log}\n{lines}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn what_fails_is_started_again_and_what_is_wrong_is_not() {
    let setup = Setup::new();
    let fake = stand_in(
        &setup,
        "failing",
        "[ \"$2\" -ge 1 ] || kill -9 $$\nexit 78\n",
    );
    let output = script("run")
        .arg("--no-udp")
        .env("TRACKERD", fake)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let words = fs::read_to_string(setup.path("words")).unwrap();
    assert_eq!(words, "--failed 0 --no-udp\n--failed 1 --no-udp\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("ended with 137; starting it again in 1 s"),
        "{said}"
    );

    let fake = stand_in(&setup, "ending", "exit 0\n");
    let status = script("run").env("TRACKERD", fake).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn it_passes_signals_on() {
    // What was ignored when a shell began it can't heed: under nohup there is nothing to test.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    if ignored & 1 != 0 {
        return shout("SKIPPED: signals passed on by scripts/run: SIGHUP is ignored here");
    }
    let mut child = script("run")
        .env("TRACKERD", env!("CARGO_BIN_EXE_trackerd"))
        .args(["-i", "127.0.0.1", "-p", "0"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut until = |part: &str| {
        let mut lines = lines.by_ref().map(Result::unwrap);
        assert!(lines.any(|line| line.contains(part)), "no {part}");
    };
    until("ready: ");
    tell(&child, "HUP");
    until("reload: done");
    tell(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// In a pause it ends at once.
#[test]
fn it_ends_between_two_starts() {
    let setup = Setup::new();
    let fake = stand_in(&setup, "failing", "exit 71\n");
    let mut child = script("run").env("TRACKERD", fake).spawn().unwrap();
    let words = setup.path("words");
    // The third pause takes four seconds.
    eventually("it has failed three times", || {
        fs::read_to_string(&words).is_ok_and(|words| words.lines().count() == 3)
    });
    tell(&child, "TERM");
    child.wait().unwrap();
    assert_eq!(fs::read_to_string(&words).unwrap().lines().count(), 3);
}

#[test]
fn the_shell_finds_nothing_wrong() {
    for name in ["run", "run_chroot"] {
        let path = format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR"));
        assert!(
            Command::new("sh")
                .args(["-n", &path])
                .status()
                .unwrap()
                .success()
        );
    }
    let mut checker = Command::new("shellcheck");
    checker.args(
        ["run", "run_chroot"].map(|name| format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR"))),
    );
    match checker.status() {
        Ok(status) => assert!(status.success()),
        Err(_) => crate::harness::shout("SKIPPED: shellcheck, which is not installed"),
    }
    let without = script("run_chroot").status().unwrap();
    assert_eq!(without.code(), Some(64));
}

#[test]
fn it_confines_to_a_directory() {
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    if id.trim_ascii() != b"0" {
        return crate::harness::shout("SKIPPED: run_chroot, which needs root");
    }
    let setup = Setup::new();
    let dir = setup.path("jail");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("trackerd.conf"), "listen.tcp 127.0.0.1:0\n").unwrap();
    let mut child = script("run_chroot")
        .env("TRACKERD", env!("CARGO_BIN_EXE_trackerd"))
        .arg(&dir)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.by_ref().map(Result::unwrap);
    let ready = lines.find(|line| line.contains("ready: ")).unwrap();
    assert!(
        ready.contains("tcp://127.0.0.1:") && !ready.contains("udp"),
        "{ready}"
    );
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let tracker = fs::read_to_string(children).unwrap();
    let root = fs::read_link(format!("/proc/{}/root", tracker.trim())).unwrap();
    assert_eq!(root, dir.canonicalize().unwrap());
    tell(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
