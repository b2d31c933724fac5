//! A network of the test's own: two network namespaces joined by a cable. It is gone when dropped.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use super::shout;

/// Two namespaces, each with a loopback and an end of the cable.
pub struct Cable {
    ends: [End; 2],
}

/// A namespace; its processes should be gone before it is dropped.
pub struct End(String);

impl Cable {
    /// With these IPv4 addresses at its two ends, all in one /24. `None`, said loudly, where the
    /// system doesn't let us.
    pub fn new(addresses: [&[&str]; 2]) -> Option<Cable> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let end = |which| End::new(format!("trackerd-{}-{count}{which}", process::id()));
        let result = end("a").and_then(|a| Ok([a, end("b")?]));
        let cable = result.and_then(|ends| {
            let cable = Cable { ends };
            cable.plug(addresses)?;
            Ok(cable)
        });
        cable
            .inspect_err(|error| shout(&format!("SKIPPED: network namespaces: {error}")))
            .ok()
    }

    /// The first end or the second.
    pub fn end(&self, which: usize) -> &End {
        &self.ends[which]
    }

    fn plug(&self, addresses: [&[&str]; 2]) -> io::Result<()> {
        let [a, b] = &self.ends;
        let cable = format!(
            "link add cable netns {} type veth peer name cable netns {}",
            a.0, b.0
        );
        ip(&cable)?;
        for (end, addresses) in self.ends.iter().zip(addresses) {
            for address in addresses {
                ip(&format!("-n {} address add {address}/24 dev cable", end.0))?;
            }
            ip(&format!("-n {} link set lo up", end.0))?;
            ip(&format!("-n {} link set cable up", end.0))?;
        }
        Ok(())
    }
}

impl End {
    fn new(name: String) -> io::Result<End> {
        ip(&format!("netns add {name}"))?;
        Ok(End(name))
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    /// Does something inside. Sockets opened there stay there.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.0)).unwrap();
        let enter = move || {
            #[allow(unsafe_code)]
            // SAFETY: takes values; the file is open until it returns. It moves this thread only,
            // which ends after `act`.
            let failed = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(failed, 0, "{}", io::Error::last_os_error());
            act()
        };
        thread::scope(|scope| scope.spawn(enter).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = ip(&format!("netns delete {}", self.0));
    }
}

fn ip(args: &str) -> io::Result<()> {
    let output = Command::new("ip")
        .args(args.split(' '))
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "ip {args}: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        ))),
    }
}
