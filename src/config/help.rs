//! The text of `--help`, out of the table.

use super::VERSION;
use super::ask::VERBS;
use super::settings::{FLAGS, SECTIONS, Setting};

/// Every option of the command line, for a terminal of 80 columns or more.
pub fn help() -> String {
    let mut text = format!(
        "{VERSION}, a BitTorrent tracker\n\n\
         Usage: trackerd [-f FILE] [OPTION]...\n\n\
         Without options it serves UDP and HTTP on port 6969 of all addresses, IPv4 and IPv6.\n\
         What is --KEY VALUE here is KEY VALUE in a file.\n\n\
         As a client of trackers, with options that `trackerd check --help` lists:\n"
    );
    for verb in VERBS {
        text += &format!(
            "  trackerd {} {}\n        {}\n",
            verb.name, verb.value, verb.help
        );
    }
    text += "\nOptions:\n";
    for flag in FLAGS {
        entry(&mut text, &flag.names(), flag.value, flag.help, "");
    }
    for section in SECTIONS {
        text += &format!("\n{}:\n", section.title);
        for setting in section.settings {
            let facts = facts(setting);
            entry(
                &mut text,
                &setting.names(),
                &setting.argument(),
                setting.help,
                &facts,
            );
        }
    }
    text
}

/// An option, and what it does.
pub fn entry(text: &mut String, names: &[String], value: &str, help: &str, facts: &str) {
    let names = format!("{} {value}", names.join(", "));
    *text += &format!("  {}\n        {help}\n", names.trim_end());
    if !facts.is_empty() {
        *text += &format!("        [{facts}]\n");
    }
}

/// What values are possible, which is the default, and whether there can be several.
fn facts(setting: &Setting) -> String {
    let mut facts: Vec<_> = setting.values().into_iter().collect();
    if !setting.default.is_empty() {
        facts.push(format!("default {}", setting.default));
    }
    if setting.repeatable {
        facts.push("repeatable".into());
    }
    if !setting.feature.is_empty() {
        facts.push(format!("feature {}", setting.feature));
    }
    facts.join("; ")
}
