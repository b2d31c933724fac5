//! trackerd, the program: words in, serve, exit code out.

use std::process::ExitCode;

use trackerd::config::{self, Command, Config};
use trackerd::error::Fatal;
use trackerd::net;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            eprintln!("trackerd: {fatal}");
            ExitCode::from(fatal.exit as u8)
        }
    }
}

fn run() -> Result<(), Fatal> {
    match config::parse(std::env::args_os().skip(1))? {
        Command::Run(config) => {
            open_log(&config);
            net::run(&config)?;
        }
        Command::Check(approval) => eprintln!("{approval}"),
        Command::Help(text) => print!("{text}"),
        Command::Version => println!("{}", config::VERSION),
    }
    Ok(())
}

/// Messages go to stderr without time stamps: whoever collects them knows the time.
fn open_log(config: &Config) {
    let mut log = env_logger::Builder::new();
    log.parse_filters(config.log_level)
        .format_timestamp(None)
        .init();
}
