//! What the service manager is told: the protocol of sd_notify(3), over a socket of its kind.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use crate::harness::tracker::Setup;
use crate::harness::{PATIENCE, shout};

/// The service manager's ear.
struct Manager(UnixDatagram);

impl Manager {
    /// Listens to what is started by `setup`.
    fn listen(setup: Setup) -> (Manager, Setup) {
        let path = setup.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // The tracker may have left root behind.
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        let setup = setup.variable("NOTIFY_SOCKET", path.to_str().unwrap());
        (Manager(socket), setup)
    }

    #[track_caller]
    fn hear(&self) -> String {
        let mut room = [0; 4096];
        let len = self.0.recv(&mut room).unwrap();
        String::from_utf8(room[..len].to_vec()).unwrap()
    }
}

/// Whether the tracker speaks to service managers; says loudly if not.
fn has_systemd() -> bool {
    if !cfg!(feature = "systemd") {
        shout("SKIPPED: what systemd is told: this build lacks the feature systemd");
    }
    cfg!(feature = "systemd")
}

#[test]
fn it_is_told_of_start_reload_and_end() {
    if !has_systemd() {
        return;
    }
    let (manager, setup) = Manager::listen(Setup::new());
    let tracker = setup.start();
    let addresses = format!("udp://{} tcp://{}", tracker.udp(), tracker.tcp());
    assert_eq!(manager.hear(), format!("READY=1\nSTATUS={addresses}\n"));

    let before = uptime_micros();
    tracker.reload("reload: done");
    let told = manager.hear();
    let time = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    let time: u64 = time.trim_end().parse().unwrap();
    // The file of the system is exact to a hundredth.
    assert!(time + 10_000 >= before && time <= uptime_micros() + 10_000);
    assert!(manager.hear().starts_with("READY=1\n"));

    // One that fails ends as well, and the tracker serves as before.
    tracker.configure("nonsense\n");
    tracker.reload("the configuration in force stays");
    assert!(manager.hear().starts_with("RELOADING=1\n"));
    assert!(manager.hear().starts_with("READY=1\n"));

    tracker.stop();
    assert_eq!(manager.hear(), "STOPPING=1\n");
}

fn uptime_micros() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    let secs: f64 = text.split(' ').next().unwrap().parse().unwrap();
    (secs * 1e6) as u64
}

#[test]
fn it_is_told_again_and_again_that_all_workers_are_alive() {
    if !has_systemd() {
        return;
    }
    let (manager, setup) = Manager::listen(Setup::new().workers(3));
    let setup = setup.variable("WATCHDOG_USEC", "4000000");
    let tracker = setup.start();
    assert!(manager.hear().starts_with("READY=1\n"));
    for _ in 0..2 {
        assert_eq!(manager.hear(), "WATCHDOG=1\n");
    }
    tracker.stop();
}

#[test]
fn a_deaf_one_changes_nothing() {
    if !has_systemd() {
        return;
    }
    let setup = Setup::new().variable("NOTIFY_SOCKET", "/nowhere/notify");
    let tracker = setup.start();
    tracker.wait_for_line("the service manager can't be told");
    tracker.reload("reload: done");
    tracker.stop();
}
