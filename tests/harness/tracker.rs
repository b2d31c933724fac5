//! The program: started, looked at, stopped.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::netns::End;

/// How long the end of the program may take after it was told to end.
const END_MAX: Duration = Duration::from_secs(2);

/// The kernel counts processor time in hundredths of a second.
const TICKS_PER_SEC: u64 = 100;

/// What gives a program mounts of its own.
const UNSHARE: [&str; 3] = ["unshare", "--map-root-user", "--mount"];

/// The variable that names the emulator and its arguments.
const EMULATOR: &str = "TRACKERD_EMULATOR";

/// How to start.
pub struct Setup {
    settings: String,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    /// What the shell's `ulimit` is to be told.
    limit: Option<String>,
    namespace: Option<String>,
    /// Where it finds a disk of so many KiB.
    small_disk: Option<(PathBuf, u32)>,
    folder: Folder,
}

impl Setup {
    /// On a port of 127.0.0.1 that the system chooses, for TCP and UDP.
    pub fn new() -> Setup {
        Setup::bare().setting("listen.tcp_udp 127.0.0.1:0")
    }

    /// The same, and on ::1.
    pub fn both_families() -> Setup {
        Setup::new().setting("listen.tcp_udp [::1]:0")
    }

    /// As the program starts by itself.
    pub fn bare() -> Setup {
        Setup {
            settings: String::new(),
            args: Vec::new(),
            variables: Vec::new(),
            limit: None,
            namespace: None,
            small_disk: None,
            folder: Folder::new(),
        }
    }

    /// One line of the configuration file.
    pub fn setting(mut self, line: &str) -> Setup {
        self.settings.push_str(line);
        self.settings.push('\n');
        self
    }

    pub fn arg(mut self, arg: impl AsRef<Path>) -> Setup {
        self.args.push(arg.as_ref().to_str().unwrap().to_owned());
        self
    }

    /// A variable of its environment.
    pub fn variable(mut self, name: &str, value: &str) -> Setup {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn workers(self, workers: usize) -> Setup {
        self.arg("--workers").arg(workers.to_string())
    }

    pub fn open_files_max(mut self, files: usize) -> Setup {
        self.limit = Some(format!("-n {files}"));
        self
    }

    pub fn address_space_kib(mut self, kib: usize) -> Setup {
        self.limit = Some(format!("-v {kib}"));
        self
    }

    /// No file may get longer than half a KiB.
    #[cfg(feature = "journal")]
    pub fn short_files(mut self) -> Setup {
        self.limit = Some("-f 1".into());
        self
    }

    /// In a network namespace.
    pub fn inside(mut self, end: &End) -> Setup {
        self.namespace = Some(end.name().to_owned());
        self
    }

    /// With a disk of its own in an existing folder, which nobody else sees and which is gone when
    /// it ends. It is root there, and so has to stay it. `None`, said loudly, where the system
    /// doesn't let us.
    #[cfg(feature = "persist")]
    pub fn small_disk(mut self, at: &Path, kib: u32) -> Option<Setup> {
        let tried = Command::new(UNSHARE[0])
            .args(&UNSHARE[1..])
            .arg("true")
            .output();
        if !tried.is_ok_and(|output| output.status.success()) {
            super::shout("SKIPPED: a full disk: no mount namespace");
            return None;
        }
        self.small_disk = Some((at.to_owned(), kib));
        Some(self)
    }

    /// Where a file of that name would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    pub fn file(self, name: &str, content: &str) -> Setup {
        write_for_all(&self.path(name), content);
        self
    }

    /// Lets everybody write to the folder: the tracker, which may have left root behind.
    pub fn open_folder(self) -> Setup {
        fs::set_permissions(&self.folder.0, Permissions::from_mode(0o777)).unwrap();
        self
    }

    /// Starts, and waits until it serves.
    #[track_caller]
    pub fn start(self) -> Tracker {
        let mut tracker = self.begin();
        let ready = tracker.wait_for_line("ready: ");
        // In JSON it is one of several texts.
        let ready = ready.split("ready: ").nth(1).unwrap();
        let ready = ready.trim_end_matches("\"}").split(' ');
        tracker.addresses = ready
            .map(|address| {
                let (scheme, address) = address.split_once("://").unwrap();
                (scheme.to_owned(), address.parse().unwrap())
            })
            .collect();
        tracker
    }

    /// Starts, and doesn't wait for anything.
    pub fn begin(self) -> Tracker {
        let mut child = self.spawn();
        let log = Log::of(&mut child);
        Tracker {
            child,
            log,
            addresses: Vec::new(),
            folder: self.folder,
        }
    }

    /// Starts, and nobody listens to what it says.
    pub fn start_unheard(self) -> Tracker {
        let mut child = self.spawn();
        drop(child.stderr.take());
        Tracker {
            child,
            log: Arc::default(),
            addresses: Vec::new(),
            folder: self.folder,
        }
    }

    /// Lets it run to its end, which is expected to be soon.
    #[track_caller]
    pub fn run(self) -> Ended {
        let mut child = self.spawn();
        let log = Log::of(&mut child);
        let code = log.wait_for_end(&mut child, PATIENCE);
        let mut stdout = String::new();
        let mut pipe = child.stdout.take().unwrap();
        pipe.read_to_string(&mut stdout).unwrap();
        let stderr = log.text();
        Ended {
            code,
            stdout,
            stderr,
        }
    }

    fn spawn(&self) -> Child {
        let mut words = Vec::new();
        if let Some(namespace) = &self.namespace {
            words.extend(["ip", "netns", "exec", namespace].map(str::to_owned));
        }
        let mut first = |by: &[&str], script: String| {
            words.extend(by.iter().map(|word| (*word).to_owned()));
            words.extend(["sh", "-c"].map(str::to_owned));
            words.push(format!("{script} && exec \"$0\" \"$@\""));
        };
        if let Some(limit) = &self.limit {
            first(&[], format!("ulimit {limit}"));
        }
        if let Some((at, kib)) = &self.small_disk {
            let mount = format!("mount -t tmpfs -o size={kib}k tmpfs {}", at.display());
            first(&UNSHARE, mount);
        }
        words.extend(program());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if !self.settings.is_empty() {
            let path = self.path("trackerd.conf");
            write_for_all(&path, &self.settings);
            command.arg("-f").arg(path);
        }
        command.envs(self.variables.iter().cloned());
        command.args(&self.args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

/// The words that start the program: the one built beside these tests, or what the environment
/// names, the program for another processor and the emulator of that.
fn program() -> Vec<String> {
    let emulator = env::var(EMULATOR).unwrap_or_default();
    let beside = || env!("CARGO_BIN_EXE_trackerd").to_owned();
    let program = env::var("TRACKERD_PROGRAM").unwrap_or_else(|_| beside());
    let words = emulator.split_whitespace().map(str::to_owned);
    words.chain([program]).collect()
}

/// Whether the program runs in an emulator, whose memory and time are not the program's.
pub fn is_emulated() -> bool {
    env::var_os(EMULATOR).is_some()
}

/// How a program ended that was not expected to stay.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A tracker that serves; killed when it is dropped.
pub struct Tracker {
    child: Child,
    log: Arc<Log>,
    addresses: Vec<(String, SocketAddr)>,
    folder: Folder,
}

impl Tracker {
    /// What the ready line names: scheme and address.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// Where it listens for datagrams over IPv4.
    #[track_caller]
    pub fn udp(&self) -> SocketAddr {
        self.address("udp", false)
    }

    #[track_caller]
    pub fn udp6(&self) -> SocketAddr {
        self.address("udp", true)
    }

    /// Where it listens for connections over IPv4.
    #[track_caller]
    pub fn tcp(&self) -> SocketAddr {
        self.address("tcp", false)
    }

    #[track_caller]
    pub fn tcp6(&self) -> SocketAddr {
        self.address("tcp", true)
    }

    #[cfg(feature = "tls")]
    #[track_caller]
    pub fn https(&self) -> SocketAddr {
        self.address("https", false)
    }

    #[track_caller]
    fn address(&self, wanted: &str, ipv6: bool) -> SocketAddr {
        let mut found = self.addresses.iter();
        let found = found.find(|(scheme, addr)| scheme == wanted && addr.is_ipv6() == ipv6);
        found.expect("no such address").1
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where a file of that name would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    /// Puts another file in the place of one, in one step.
    pub fn replace(&self, name: &str, content: &str) {
        let new = self.path("new");
        write_for_all(&new, content);
        fs::rename(new, self.path(name)).unwrap();
    }

    /// Other words for the configuration file.
    pub fn configure(&self, settings: &str) {
        self.replace("trackerd.conf", settings);
    }

    /// Has the configuration read again, and waits until it says a line with this part once more.
    #[track_caller]
    pub fn reload(&self, part: &str) {
        let said = self.log().matches(part).count();
        self.signal("HUP");
        super::eventually(part, || self.log().matches(part).count() > said);
    }

    pub fn signal(&self, name: &str) {
        run("kill", &["-s", name, &self.pid().to_string()]);
    }

    /// The first line it writes to stdout; to be asked for once.
    #[track_caller]
    pub fn first_line(&mut self) -> String {
        let mut pipe = BufReader::new(self.child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = pipe.read_line(&mut line);
            let _ = sender.send(line);
        });
        lines.recv_timeout(PATIENCE).expect("no line on stdout")
    }

    /// Everything it has said on stderr.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The first line that contains this.
    #[track_caller]
    pub fn wait_for_line(&self, part: &str) -> String {
        match self.log.wait_for(part, PATIENCE) {
            Some(line) => line,
            None => panic!("no `{part}` in its log:\n{}", self.log()),
        }
    }

    /// Memory in use, in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name));
        let words: Vec<_> = line.unwrap().split_whitespace().collect();
        words[1].parse().unwrap()
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The second field, in parentheses, may contain spaces; these are fields 14 and 15.
        let rest = stat.rsplit_once(')').unwrap().1;
        let times = rest.split_whitespace().skip(11).take(2);
        let ticks: u64 = times.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SEC)
    }

    /// Limits the address space of the running process to so many bytes more than it has, when
    /// prlimit(1) is there.
    pub fn limit_address_space(&self, more: u64) -> bool {
        let pid = format!("--pid={}", self.pid());
        let limit = format!("--as={}:", self.status_kib("VmSize:") * 1024 + more);
        let result = Command::new("prlimit").args([pid, limit]).status();
        result.is_ok_and(|status| status.success())
    }

    /// Sets the limit of open files of the running process, when prlimit(1) is there.
    pub fn limit_open_files(&self, files: usize) -> bool {
        let pid = format!("--pid={}", self.pid());
        let limit = format!("--nofile={files}:");
        let result = Command::new("prlimit").args([pid, limit]).status();
        result.is_ok_and(|status| status.success())
    }

    /// How many files it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    /// Ends it in order: in time, and with success.
    #[track_caller]
    pub fn stop(self) {
        self.stop_by("TERM");
    }

    #[track_caller]
    pub fn stop_by(mut self, signal: &str) {
        self.end(signal);
    }

    /// Waits until it ends by itself; its exit code.
    #[cfg(any(feature = "torture", feature = "api"))]
    #[track_caller]
    pub fn ended(mut self) -> Option<i32> {
        self.log.wait_for_end(&mut self.child, PATIENCE)
    }

    /// Looks at everything it ever said on stderr.
    #[track_caller]
    pub fn stop_and(mut self, look: impl FnOnce(&str)) {
        self.end("TERM");
        look(&self.log());
    }

    #[track_caller]
    fn end(&mut self, signal: &str) {
        self.signal(signal);
        let code = self.log.wait_for_end(&mut self.child, END_MAX);
        assert_eq!(code, Some(0), "its log:\n{}", self.log());
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the log of the tracker:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program says on stderr, as it says it.
#[derive(Default)]
struct Log {
    heard: Mutex<Heard>,
    news: Condvar,
}

#[derive(Default)]
struct Heard {
    text: String,
    ended: bool,
}

impl Log {
    fn of(child: &mut Child) -> Arc<Log> {
        let log = Arc::<Log>::default();
        let mut pipe = BufReader::new(child.stderr.take().unwrap());
        let listener = Arc::clone(&log);
        thread::spawn(move || {
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                let mut heard = listener.heard.lock().unwrap();
                heard.text.push_str(&String::from_utf8_lossy(&line));
                line.clear();
                listener.news.notify_all();
            }
            listener.heard.lock().unwrap().ended = true;
            listener.news.notify_all();
        });
        log
    }

    fn text(&self) -> String {
        self.heard.lock().unwrap().text.clone()
    }

    /// The first line that contains `part`; `None` if it doesn't come.
    fn wait_for(&self, part: &str, patience: Duration) -> Option<String> {
        let line = |heard: &Heard| {
            let mut lines = heard.text.split_inclusive('\n');
            let found = lines.find(|line| line.contains(part) && line.ends_with('\n'))?;
            Some(found.trim_end().to_owned())
        };
        let heard = self.heard.lock().unwrap();
        let waits = |heard: &mut Heard| line(heard).is_none() && !heard.ended;
        let (heard, _) = self
            .news
            .wait_timeout_while(heard, patience, waits)
            .unwrap();
        line(&heard)
    }

    /// Waits until the program is gone, which closes its stderr; its exit code.
    #[track_caller]
    fn wait_for_end(&self, child: &mut Child, patience: Duration) -> Option<i32> {
        let start = Instant::now();
        let heard = self.heard.lock().unwrap();
        let waits = |heard: &mut Heard| !heard.ended;
        let (heard, late) = self
            .news
            .wait_timeout_while(heard, patience, waits)
            .unwrap();
        if late.timed_out() {
            let _ = child.kill();
            panic!("still there after {:?}:\n{}", start.elapsed(), heard.text);
        }
        child.wait().unwrap().code()
    }
}

/// A private folder that everybody may read, since the tracker leaves root behind.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trackerd-test-{}-{count}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write_for_all(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}: {status}");
}
