//! The words that make the program a client of trackers, and their options: the table, and how
//! such a command line is read.

use super::settings::IS_CLIENT;
use super::{Command, VERSION, parse, values};
use crate::error::Fatal;
use crate::types::{Event, Family, InfoHash, Join, Order, Quest, Seconds};
use lexopt::{Arg, Parser};
use std::ffi::{OsStr, OsString};

/// A word by which a command line begins that asks a tracker.
pub struct Verb {
    /// The word.
    pub name: &'static str,
    /// Stands for what follows it in texts.
    pub value: &'static str,
    /// One line on what it does.
    pub help: &'static str,
    /// Makes the question, if so many info-hashes will do.
    quest: fn(&Draft) -> Option<Quest>,
}

/// An option of such a command line.
pub struct Choice {
    /// Its letter, if it has one.
    pub short: Option<char>,
    /// Its name after `--`.
    pub long: &'static str,
    /// Stands for its value in texts; empty if it takes none.
    pub value: &'static str,
    /// The values, where they are a few words.
    pub words: &'static [&'static str],
    /// One line on what it does.
    pub help: &'static str,
    take: fn(&mut Draft, &str) -> Result<(), String>,
}

impl Choice {
    /// Every way to write it.
    pub fn names(&self) -> Vec<String> {
        let short = self.short.map(|letter| format!("-{letter}"));
        short
            .into_iter()
            .chain([format!("--{}", self.long)])
            .collect()
    }
}

/// What was said so far.
#[derive(Default)]
struct Draft {
    tracker: Option<String>,
    hashes: Vec<InfoHash>,
    json: bool,
    secs_max: Option<Seconds>,
    family: Option<Family>,
    port: Option<u16>,
    event: Option<Event>,
    left: Option<u64>,
    numwant: Option<u32>,
}

/// How long to wait if nothing is said.
const SECS_DEFAULT: Seconds = 5;

/// Others to be told of, if nothing is said.
const NUMWANT_DEFAULT: u32 = 50;

/// The most info-hashes of a question; a datagram has no room for more.
const HASHES_MAX: usize = 74;

/// All words.
pub static VERBS: &[Verb] = &[
    Verb {
        name: "announce",
        value: "URL HASH",
        help: "Announce to a tracker, and list the peers that it tells of",
        quest: |draft| match draft.hashes[..] {
            [info_hash] => Some(Quest::Announce(Join {
                info_hash,
                port: draft.port,
                event: draft.event.unwrap_or(Event::Started),
                left: draft.left.unwrap_or(1),
                numwant: draft.numwant.unwrap_or(NUMWANT_DEFAULT),
            })),
            _ => None,
        },
    },
    Verb {
        name: "scrape",
        value: "URL HASH...",
        help: "Ask a tracker for the counts of torrents",
        quest: |draft| {
            let will_do = (1..=HASHES_MAX).contains(&draft.hashes.len());
            will_do.then(|| Quest::Scrape(draft.hashes.clone()))
        },
    },
    Verb {
        name: "check",
        value: "URL|HOST:PORT [HASH]",
        help: "Say whether a tracker is up at each of its addresses, and what it can do",
        quest: |draft| match draft.hashes[..] {
            [] => Some(Quest::Check(None)),
            [hash] => Some(Quest::Check(Some(hash))),
            _ => None,
        },
    },
];

/// Their options.
pub static CHOICES: &[Choice] = &[
    Choice {
        short: None,
        long: "json",
        value: "",
        words: &[],
        help: "Answer in JSON",
        take: |draft, _| {
            draft.json = true;
            Ok(())
        },
    },
    Choice {
        short: None,
        long: "timeout",
        value: "SECONDS",
        words: &[],
        help: "How long to wait for each answer (5)",
        take: |draft, text| number(text, 1, 3600).map(|secs| draft.secs_max = Some(secs)),
    },
    Choice {
        short: Some('4'),
        long: "ipv4",
        value: "",
        words: &[],
        help: "Ask over IPv4 only",
        take: |draft, _| family(draft, Family::V4),
    },
    Choice {
        short: Some('6'),
        long: "ipv6",
        value: "",
        words: &[],
        help: "Ask over IPv6 only",
        take: |draft, _| family(draft, Family::V6),
    },
    Choice {
        short: Some('p'),
        long: "port",
        value: "PORT",
        words: &[],
        help: "Announce this port, and stay; without it, announce 6881 and leave at once",
        take: |draft, text| match values::port(text)? {
            0 => Err("others can't reach port 0".into()),
            port => {
                draft.port = Some(port);
                Ok(())
            }
        },
    },
    Choice {
        short: None,
        long: "event",
        value: "EVENT",
        words: &["started", "completed", "stopped", "paused", "none"],
        help: "What to announce (started)",
        take: |draft, text| {
            draft.event = Some(match text {
                "started" => Event::Started,
                "completed" => Event::Completed,
                "stopped" => Event::Stopped,
                "paused" => Event::Paused,
                "none" => Event::None,
                _ => return Err("it is started, completed, stopped, paused or none".into()),
            });
            Ok(())
        },
    },
    Choice {
        short: None,
        long: "left",
        value: "BYTES",
        words: &[],
        help: "How much is still to be downloaded (1); 0 makes a seeder",
        take: |draft, text| number(text, 0, u64::MAX).map(|left| draft.left = Some(left)),
    },
    Choice {
        short: None,
        long: "numwant",
        value: "N",
        words: &[],
        help: "How many peers to ask for (50)",
        take: |draft, text| number(text, 0, 10_000).map(|n| draft.numwant = Some(n)),
    },
];

/// What a command line comes to that begins with one of the words; `None` for all others.
pub fn command(args: &[OsString]) -> Option<Result<Command, Fatal>> {
    let (first, rest) = args.split_first()?;
    let verb = VERBS.iter().find(|verb| first == verb.name)?;
    Some(match IS_CLIENT {
        true => order(verb, rest),
        false => Err(parse::usage(
            verb.name,
            "this build lacks the feature client",
        )),
    })
}

fn order(verb: &'static Verb, args: &[OsString]) -> Result<Command, Fatal> {
    let usage = |at: &str, what: String| parse::usage(&format!("{} {at}", verb.name), what);
    let mut draft = Draft::default();
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser
        .next()
        .map_err(|error| parse::usage(verb.name, error.to_string()))?
    {
        let name = match arg {
            Arg::Value(word) => {
                word_of(&mut draft, &word).map_err(|what| usage(&quoted(&word), what))?;
                continue;
            }
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(help())),
            Arg::Short(letter) => format!("-{letter}"),
            Arg::Long(name) => format!("--{name}"),
        };
        let choice = CHOICES.iter().find(|choice| choice.names().contains(&name));
        let choice = choice.ok_or_else(|| {
            let what = format!("unknown option; trackerd {} --help lists all", verb.name);
            usage(&name, what)
        })?;
        let value = match choice.value {
            "" => String::new(),
            stands_for => parse::value(&mut parser, &name, stands_for)?,
        };
        (choice.take)(&mut draft, &value).map_err(|what| usage(&name, what))?;
    }
    let quest = (verb.quest)(&draft);
    let (Some(tracker), Some(quest)) = (draft.tracker, quest) else {
        let what = format!("it is trackerd {} {}", verb.name, verb.value);
        return Err(parse::usage(verb.name, what));
    };
    Ok(Command::Ask(Order {
        quest,
        tracker,
        secs_max: draft.secs_max.unwrap_or(SECS_DEFAULT),
        family: draft.family,
        json: draft.json,
    }))
}

/// Takes a word that is no option: the tracker, then info-hashes.
fn word_of(draft: &mut Draft, word: &OsStr) -> Result<(), String> {
    let word = word.to_str().ok_or("it is not UTF-8")?;
    if draft.tracker.is_none() {
        draft.tracker = Some(word.to_owned());
        return Ok(());
    }
    // The protocols know those of BEP 52 by their first 20 bytes.
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = match word.len() {
        64 if is_hex => &word[..2 * InfoHash::LEN],
        _ => word,
    };
    let hash = hash.parse();
    let what = "no info-hash: those have 40 hexadecimal digits, or 64 by BEP 52";
    draft.hashes.push(hash.map_err(|_| what)?);
    Ok(())
}

fn family(draft: &mut Draft, family: Family) -> Result<(), String> {
    match draft.family.replace(family) {
        Some(other) if other != family => Err("only IPv4 and only IPv6 are nothing".into()),
        _ => Ok(()),
    }
}

fn number<T>(text: &str, min: T, max: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let number = text.parse().ok();
    number
        .filter(|number| (&min..=&max).contains(&number))
        .ok_or_else(|| format!("it is a number from {min} to {max}"))
}

fn quoted(word: &OsStr) -> String {
    format!("`{}`", word.to_string_lossy())
}

/// The text of `--help` after one of the words.
fn help() -> String {
    let mut text = format!("{VERSION}, as a client of trackers\n\n");
    for verb in VERBS {
        text += &format!(
            "  trackerd {} {}\n        {}\n",
            verb.name, verb.value, verb.help
        );
    }
    text += "\nExit codes: 0 when all is well, 1 when the tracker fails or refuses, 64 for a \
             command line\nthat is wrong.\n\nOptions:\n";
    for choice in CHOICES {
        super::help::entry(&mut text, &choice.names(), choice.value, choice.help, "");
    }
    text
}
