//! The rules of the house, executed: who imports whom, which words belong where, how long things
//! may get.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may name of the crate, `types` and its own insides aside.
const IMPORTS: [(&str, &[&str]); 22] = [
    ("types", &[]),
    ("error", &[]),
    ("sys", &[]),
    ("wire", &[]),
    ("swarm", &[]),
    ("access", &[]),
    ("stats", &[]),
    ("supervisor", &[]),
    ("advice", &[]),
    ("api", &["wire"]),
    ("bus", &["wire"]),
    ("config", &["error"]),
    ("router", &["swarm"]),
    ("client", &["sys", "wire"]),
    ("cluster", &["wire"]),
    ("meta", &["client", "wire"]),
    ("persist", &["wire"]),
    ("tls", &[]),
    (
        "net",
        &[
            "access", "api", "cluster", "meta", "persist", "router", "stats", "swarm", "sys",
            "tls", "wire",
        ],
    ),
    (
        "control",
        &[
            "access",
            "advice",
            "api",
            "bus",
            "client",
            "cluster",
            "config",
            "error",
            "meta",
            "net",
            "persist",
            "router",
            "stats",
            "supervisor",
            "swarm",
            "sys",
            "tls",
            "wire",
        ],
    ),
    ("main", &["config", "control", "error"]),
    ("lib", &[]),
];

/// Crates each room may use.
const CRATES: [(&str, &[&str]); 21] = [
    ("ahash", &["swarm", "access", "stats"]),
    ("crc32fast", &["bus", "persist"]),
    ("crossbeam_channel", &["router", "net", "control"]),
    ("env_logger", &["main"]),
    ("flate2", &["wire"]),
    ("futures_lite", &["meta"]),
    ("hmac", &["bus"]),
    ("lexopt", &["config"]),
    ("libc", &["sys"]),
    ("log", &["net", "control"]),
    ("mainline", &["meta"]),
    ("mio", &["net", "control"]),
    ("redis", &["bus"]),
    ("rustls", &["tls"]),
    ("rustls_native_certs", &["client"]),
    ("sd_notify", &["supervisor"]),
    ("sha1_smol", &["meta"]),
    ("sha2", &["bus", "meta"]),
    ("smallvec", &["swarm", "access", "stats", "router"]),
    ("socket2", &["sys"]),
    ("ureq", &["client", "meta"]),
];

/// Words that are at home in some rooms only.
const WORDS: [(&str, &[&str]); 9] = [
    ("unsafe ", &["sys"]),
    ("Instant::now", &["sys"]),
    ("SystemTime", &["sys"]),
    ("std::fs", &["config", "control", "sys"]),
    ("io::stdout", &["control", "main"]),
    ("io::stderr", &["control", "main"]),
    ("process::exit", &["control"]),
    ("thread::spawn", &["control"]),
    ("thread::Builder", &["control"]),
];

const LINE_COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;
const NAMELESS: [&str; 5] = ["util", "helper", "common", "misc", "manager"];

/// Ceilings for the files everybody reads first, code lines without tests.
const CEILINGS: [(&str, usize); 4] = [
    ("main.rs", 40),
    ("lib.rs", 90),
    ("types.rs", 170),
    ("error.rs", 80),
];

const TOP_LEVEL: [&str; 14] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "scripts",
    "tests",
    "functional-tests",
    "opentracker.conf.sample",
    "Makefile",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    ".gitignore",
    ".ci",
    ".git",
];

struct Source {
    /// Below the crate, for messages.
    name: String,
    room: String,
    text: String,
}

impl Source {
    /// Numbered lines before the tests, comments and strings' contents included.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self
            .text
            .find("\n#[cfg(test)]\n#[allow(clippy::unwrap_used)]\nmod tests {");
        let tests = tests.or_else(|| self.text.find("\n#[cfg(test)]\nmod tests {"));
        let own = &self.text[..tests.unwrap_or(self.text.len())];
        own.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The files that are tests and nothing else, as this one declares them.
    fn test_files(&self) -> impl Iterator<Item = String> {
        let folder = self.name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let declared = self.text.split("\n#[cfg(test)]\nmod ").skip(1);
        let names = declared.filter_map(|rest| rest.lines().next()?.strip_suffix(';'));
        names.map(move |name| format!("{folder}/{name}.rs"))
    }

    /// The same without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter_map(|(number, line)| {
            let code = line.split("//").next().unwrap_or_default().trim_end();
            (!code.trim().is_empty()).then_some((number, code))
        })
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn source(path: &Path) -> Source {
    let below = path.strip_prefix(root()).unwrap();
    let inside = below.strip_prefix("src").unwrap_or(below);
    let room = inside
        .iter()
        .next()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned();
    Source {
        name: below.display().to_string(),
        room,
        text: fs::read_to_string(path).unwrap(),
    }
}

fn sources() -> Vec<Source> {
    let mut all: Vec<_> = files_below(&root().join("src"), "rs")
        .iter()
        .map(|path| source(path))
        .collect();
    let tests: Vec<_> = all.iter().flat_map(Source::test_files).collect();
    all.retain(|source| !tests.contains(&source.name));
    assert!(all.len() > 20, "the sources were not found");
    all
}

#[track_caller]
fn none(offences: Vec<String>) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

/// The names that follow `prefix` in a line, `{a, b}` groups included.
fn named<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        let rest = &line[at + prefix.len()..];
        let group = rest.strip_prefix('{').and_then(|r| r.split('}').next());
        for name in group.unwrap_or(rest).split(',') {
            let word = |c: char| !(c.is_alphanumeric() || c == '_');
            names.extend(name.trim().split(word).next().filter(|n| !n.is_empty()));
            if group.is_none() {
                break;
            }
        }
    }
    names
}

#[test]
fn rooms_import_only_their_neighbours() {
    let allowed: BTreeMap<_, _> = IMPORTS.into_iter().collect();
    let mut offences = Vec::new();
    for source in sources() {
        let room = source.room.as_str();
        let Some(may) = allowed.get(room) else {
            offences.push(format!("{}: the room is not in the table", source.name));
            continue;
        };
        for (number, line) in source.lines() {
            let names = named(line, "crate::")
                .into_iter()
                .chain(named(line, "trackerd::"));
            for other in names.filter(|n| *n != "types" && *n != room && !may.contains(n)) {
                if line.trim_start().starts_with("//") {
                    continue;
                }
                offences.push(format!(
                    "{}:{number}: `{room}` may not name `{other}`",
                    source.name
                ));
            }
        }
    }
    none(offences);
}

#[test]
fn crates_and_words_stay_where_they_belong() {
    let mut offences = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            let crates = CRATES
                .iter()
                .map(|(name, rooms)| (format!("{name}::"), rooms));
            let words = WORDS
                .iter()
                .map(|(word, rooms)| ((*word).to_owned(), rooms));
            for (word, rooms) in crates.chain(words) {
                let uses = line.match_indices(&word).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                });
                if uses && !rooms.contains(&source.room.as_str()) {
                    offences.push(format!("{}:{number}: `{word}` is not at home", source.name));
                }
            }
            let door = source.name.ends_with("/mod.rs") || source.room == "lib";
            if line.contains("feature =") && !door {
                offences.push(format!(
                    "{}:{number}: features belong to doors",
                    source.name
                ));
            }
        }
    }
    none(offences);
}

#[test]
fn nothing_grows_too_long() {
    let mut offences = Vec::new();
    for source in sources() {
        let code = source.code().count();
        let file = source.name.strip_prefix("src/").unwrap();
        let ceiling = CEILINGS.iter().find(|(name, _)| *name == file);
        let ceiling = ceiling.map_or(FILE_LINES_MAX, |(_, lines)| *lines);
        if code > ceiling {
            offences.push(format!(
                "{}: {code} code lines, {ceiling} allowed",
                source.name
            ));
        }
        offences.extend(long_functions(&source));
    }
    let own = ["src", "tests", "scripts", "functional-tests"];
    let texts = own
        .iter()
        .flat_map(|folder| files_below(&root().join(folder), "rs"));
    for source in texts.map(|path| source(&path)) {
        for (i, line) in source.text.lines().enumerate() {
            if line.chars().count() > LINE_COLUMNS_MAX {
                offences.push(format!("{}:{}: too wide", source.name, i + 1));
            }
        }
    }
    none(offences);
}

/// A function reaches from its `fn` line to the closing brace of the same indentation.
fn long_functions(source: &Source) -> Vec<String> {
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut offences = Vec::new();
    for (number, line) in source.lines() {
        let indent = line.len() - line.trim_start().len();
        let code = line.trim_start();
        let is_function = code.starts_with("fn ") || code.contains(" fn ") && code.contains('(');
        if is_function && !code.starts_with("//") && !code.ends_with(';') {
            open.push((number, indent));
        }
        if code.starts_with('}') {
            while let Some((start, _)) = open.pop_if(|(_, at)| *at >= indent) {
                if number - start + 1 > FUNCTION_LINES_MAX {
                    offences.push(format!("{}:{start}: long function", source.name));
                }
            }
        }
    }
    offences
}

#[test]
fn names_say_something() {
    let mut offences = Vec::new();
    for folder in ["src", "tests", "scripts", "functional-tests"] {
        for ending in ["rs", "py", "sh"] {
            for path in files_below(&root().join(folder), ending) {
                let stem = path.file_stem().unwrap().to_str().unwrap().to_lowercase();
                if NAMELESS.iter().any(|word| stem.contains(word)) {
                    offences.push(format!("{}: a name that says nothing", path.display()));
                }
            }
        }
    }
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !TOP_LEVEL.contains(&name.as_str()) && name != "target" {
            offences.push(format!("{name}: does not belong to the top level"));
        }
    }
    none(offences);
}

#[test]
fn every_room_states_its_contract() {
    let mut offences = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            offences.push(format!("{}: does not say what it is for", source.name));
        }
    }
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (room, _) in IMPORTS
        .iter()
        .filter(|(room, _)| !["main", "lib"].contains(room))
    {
        if !lib.contains(&format!("pub mod {room};")) {
            offences.push(format!("lib.rs does not list `{room}`"));
        }
    }
    if lib.matches("allow(unsafe_code)").count() != 1 {
        offences.push("lib.rs allows `unsafe` in sys alone".to_owned());
    }
    none(offences);
}

#[test]
fn the_checks_see_what_they_look_for() {
    assert_eq!(named("use crate::types::{A, B};", "crate::"), ["types"]);
    assert_eq!(
        named("use crate::{wire, swarm::Shard};", "crate::"),
        ["wire", "swarm"]
    );
    assert_eq!(
        named("crate::sys::a(crate::net::b)", "crate::"),
        ["sys", "net"]
    );
    let body = "    x();\n".repeat(FUNCTION_LINES_MAX);
    let text = format!("//! Doc.\nfn short() {{\n}}\nfn long() {{\n{body}}}\n");
    let source = Source {
        name: "x.rs".into(),
        room: "net".into(),
        text,
    };
    assert_eq!(long_functions(&source), ["x.rs:4: long function"]);
}
