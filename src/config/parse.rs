//! Files and command line, one grammar: both become a stream of settings with their origin.

use super::settings::{Action, FLAGS, LISTEN_TCP_UDP, Purpose, Setting, settings};
use super::suggest::nearest;
use super::values;
use crate::error::{Exit, Fatal};
use lexopt::{Arg, Parser};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::rc::Rc;

/// The most bytes of a file: far more than there is to say, and less than a router's memory.
const FILE_MAX: usize = 1 << 20;

/// A setting, the value it was given, and where.
pub struct Said {
    pub setting: &'static Setting,
    pub value: String,
    origin: Origin,
}

enum Origin {
    File { path: Rc<str>, line: usize },
    Argv { option: String },
}

/// What a command line comes to.
pub enum Argv {
    Help,
    Version,
    Settings(Args),
}

/// A command line that is about settings.
#[derive(Default)]
pub struct Args {
    /// What they are for.
    pub purpose: Purpose,
    files: Vec<String>,
    said: Vec<Said>,
    /// What `-i` said last.
    ip: Option<IpAddr>,
}

/// Understands a command line; reads no file yet.
pub fn argv<I>(args: I) -> Result<Argv, Fatal>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = Parser::from_args(args.into_iter().map(Into::into));
    let mut args = Args::default();
    while let Some(arg) = parser
        .next()
        .map_err(|error| usage("trackerd", error.to_string()))?
    {
        let option = match arg {
            Arg::Short(letter) => format!("-{letter}"),
            Arg::Long(name) => format!("--{name}"),
            Arg::Value(word) => {
                let word = format!("`{}`", word.to_string_lossy());
                return Err(usage(
                    &word,
                    "is no option; a configuration file needs -f before it",
                ));
            }
        };
        if let Some(flag) = FLAGS.iter().find(|flag| flag.names().contains(&option)) {
            match flag.action {
                Action::Help => return Ok(Argv::Help),
                Action::Version => return Ok(Argv::Version),
                Action::Instead(purpose) => args.purpose = purpose,
                Action::File => args.files.push(value(&mut parser, &option, flag.value)?),
                Action::Address => {
                    let ip = values::ip(&value(&mut parser, &option, flag.value)?);
                    args.ip = Some(ip.map_err(|what| usage(&option, what))?);
                }
                Action::Port(setting) => {
                    let port = values::port(&value(&mut parser, &option, flag.value)?);
                    let port = port.map_err(|what| usage(&option, what))?;
                    args.push(option, setting, args.place(port));
                }
                Action::Say(setting) => {
                    let value = value(&mut parser, &option, flag.value)?;
                    args.push(option, setting, value);
                }
            }
        } else if let Some(setting) = settings().find(|s| s.names().contains(&option)) {
            let value = match implied(&mut parser, setting) {
                Some(value) => value,
                None => value(&mut parser, &option, setting.value)?,
            };
            args.push(option, setting, value);
        } else {
            return Err(usage(&option, unknown_option(&option)));
        }
    }
    Ok(Argv::Settings(args))
}

impl Args {
    /// All that was said: the files in their order, then the command line, which so has the
    /// last word.
    pub fn read(self, load: impl Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Vec<Said>, Fatal> {
        let mut said = Vec::new();
        for path in &self.files {
            said.append(&mut file(path, &load)?);
        }
        said.extend(self.said);
        // `-i` alone moves the default ports.
        if let Some(ip) = self.ip
            && !said.iter().any(|said| said.setting.is_listen())
        {
            let origin = Origin::Argv {
                option: "-i".into(),
            };
            said.push(Said {
                setting: &LISTEN_TCP_UDP,
                value: ip.to_string(),
                origin,
            });
        }
        Ok(said)
    }

    /// What a check says of all the files if it finds nothing wrong.
    pub fn approval(&self) -> String {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|file| format!("{file}: syntax ok"))
            .collect();
        if files.is_empty() {
            "command line: syntax ok".into()
        } else {
            files.join("\n")
        }
    }

    fn push(&mut self, option: String, setting: &'static Setting, value: String) {
        self.said.push(Said {
            setting,
            value,
            origin: Origin::Argv { option },
        });
    }

    /// Where `-p`, `-P` and `-s` listen, in the grammar of files.
    fn place(&self, port: u16) -> String {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, port).to_string(),
            None => format!("*:{port}"),
        }
    }
}

impl Said {
    /// What is wrong with this.
    pub fn fatal(&self, what: &str) -> Fatal {
        self.origin.fatal(self.setting.key, what)
    }
}

impl Origin {
    fn fatal(&self, key: &str, what: &str) -> Fatal {
        match self {
            Origin::File { path, line } => Fatal::new(
                Exit::Config,
                format!("{path}:{line}"),
                format!("{key}: {what}"),
            ),
            Origin::Argv { option } => usage(option, what),
        }
    }
}

fn file(path: &str, load: impl Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Vec<Said>, Fatal> {
    let text = load(path.as_ref()).map_err(|error| {
        Fatal::new(
            Exit::NoInput,
            path,
            format!("can't read the configuration: {error}"),
        )
    })?;
    lines(path, &text)
}

/// Reads a file.
pub fn load(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(FILE_MAX as u64 + 1)
        .read_to_end(&mut text)?;
    match text.len() {
        0..=FILE_MAX => Ok(text),
        _ => Err(io::Error::other("it is larger than a megabyte")),
    }
}

/// Reads a file that was read before, and may have been a pipe, or be written at this moment.
pub fn load_again(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    match load(path)? {
        text if text.is_empty() => Err(io::Error::other("it is empty")),
        text => Ok(text),
    }
}

/// What the lines of a file say.
fn lines(path: &str, text: &[u8]) -> Result<Vec<Said>, Fatal> {
    let path: Rc<str> = path.into();
    let mut said: Vec<Said> = Vec::new();
    // Some editors put a mark before UTF-8.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (index, text) in text.split(|&byte| byte == b'\n').enumerate() {
        let text = text.trim_ascii();
        if text.is_empty() || text[0] == b'#' {
            continue;
        }
        let new = line(
            text,
            Origin::File {
                path: path.clone(),
                line: index + 1,
            },
        )?;
        let before = said
            .iter()
            .find(|before| before.setting.key == new.setting.key);
        if let Some(Origin::File { line, .. }) = before.map(|before| &before.origin)
            && !new.setting.repeatable
        {
            return Err(new.fatal(&format!(
                "line {line} says so already: remove one of the two"
            )));
        }
        said.push(new);
    }
    Ok(said)
}

/// `KEY VALUE`, without blanks at the ends.
fn line(text: &[u8], origin: Origin) -> Result<Said, Fatal> {
    let lossy = String::from_utf8_lossy(text);
    let (key, value) = lossy.split_once([' ', '\t']).unwrap_or((&lossy, ""));
    if std::str::from_utf8(text).is_err() {
        return Err(origin.fatal(key, "the line is not UTF-8"));
    }
    match settings().find(|setting| setting.key == key) {
        Some(setting) => Ok(Said {
            setting,
            value: value.trim_ascii_start().to_owned(),
            origin,
        }),
        None => {
            let keys: Vec<_> = settings().map(|setting| setting.key.to_owned()).collect();
            let hint = nearest(key, &keys).map_or("trackerd --help lists all".into(), did_you_mean);
            Err(origin.fatal(key, &format!("unknown setting; {hint}")))
        }
    }
}

/// The value that belongs to an option.
pub fn value(parser: &mut Parser, option: &str, stands_for: &str) -> Result<String, Fatal> {
    let value = parser
        .value()
        .map_err(|_| usage(option, format!("needs a value: {stands_for}")))?;
    value
        .into_string()
        .map_err(|_| usage(option, "its value is not UTF-8"))
}

/// What an option means that needs no value, if none follows.
fn implied(parser: &mut Parser, setting: &Setting) -> Option<String> {
    if setting.implied.is_empty() {
        return None;
    }
    let is_option = |next: &OsStr| next.as_encoded_bytes().starts_with(b"-");
    let follows = match parser.try_raw_args() {
        // There is none when the value is attached, as `--name=value`.
        None => true,
        Some(args) => args.peek().is_some_and(|next| !is_option(next)),
    };
    (!follows).then(|| setting.implied.to_owned())
}

fn unknown_option(option: &str) -> String {
    let flags = FLAGS.iter().flat_map(|flag| flag.names());
    let names: Vec<_> = flags.chain(settings().flat_map(Setting::names)).collect();
    // A letter is near to every other.
    let near = nearest(option, &names).filter(|_| option.chars().count() > 2);
    let hint = near.map_or("trackerd --help lists all".into(), did_you_mean);
    format!("unknown option; {hint}")
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean {name}?")
}

/// Something is wrong with the command line.
pub fn usage(option: &str, what: impl Into<String>) -> Fatal {
    Fatal::new(Exit::Usage, option, what)
}

#[cfg(test)]
mod tests {
    use super::super::draft;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn takes_any_bytes(text: Vec<u8>) {
            let _ = lines("any.conf", &text);
        }

        #[test]
        fn takes_any_value_and_says_where_it_is_wrong(
            number in 0..settings().count(), value in "[ -~]{1,12}|[0-9.:*/\\[\\]]{1,12}",
        ) {
            let Some(setting) = settings().nth(number) else { unreachable!() };
            let text = format!("\n{} {value}", setting.key);
            match lines("any.conf", text.as_bytes()).and_then(|said| draft::config(&said)) {
                Ok(config) => prop_assert!(!config.listens.is_empty()),
                Err(fatal) => prop_assert_eq!(fatal.at, "any.conf:2"),
            }
        }
    }
}
