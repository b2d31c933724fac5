//! trackerd, the program: words in, serve, exit code out.

use std::io::{self, Write};
use std::process::ExitCode;

use trackerd::config::{self, Command};
use trackerd::control;
use trackerd::error::Fatal;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            say(io::stderr(), &format!("{fatal}\n"));
            ExitCode::from(fatal.exit as u8)
        }
    }
}

fn run() -> Result<(), Fatal> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match config::parse(&args)? {
        Command::Run(config) => {
            open_log();
            control::run(config, args)?;
        }
        Command::Check(approval) => say(io::stderr(), &format!("{approval}\n")),
        Command::Health(config) => control::health(&config)?,
        Command::Ask(order) => control::ask(&order)?,
        Command::CheckSystem(config) => say(io::stdout(), &control::check_system(&config)?),
        Command::Stats(config) => say(io::stdout(), &control::meta_report(&config)?),
        Command::Help(text) => say(io::stdout(), &text),
        Command::Version => say(io::stdout(), &format!("{}\n", config::VERSION)),
    }
    Ok(())
}

/// Whoever closes the pipe doesn't want to read on.
fn say(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}

/// How much is said, how, and where may change while serving, so that is not for the logger to
/// decide. Libraries say nothing: strangers could fill the log by what they send.
fn open_log() {
    let to = env_logger::Target::Pipe(Box::new(control::Outlet));
    let mut log = env_logger::Builder::new();
    log.format(control::write_message).target(to);
    log.parse_filters("trackerd=trace").init();
}
